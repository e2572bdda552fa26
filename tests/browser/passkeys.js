// passkeys: WebAuthn against Chromium's virtual authenticators, and what an attacker would send.
'use strict';
const { execFileSync } = require('child_process');
const fs = require('fs');
const https = require('https');
const path = require('path');
const { freePort } = require('./driver.js');
const { test, is, ok } = require('./tap.js');
const { cookieOf } = require('./world.js');
const { session } = require('./signing.js');

const web = path.join(process.env.BTZ_SOURCE, 'src/watch/web');

// In the page: asks for options and signs them, but sends nothing. `more` changes what the authenticator is asked.
const sign = `const w = await import('/assets/webauthn.js');
    const o = await (await fetch('/v1/sign-in/passkey/options', { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Bartizan-CSRF': '1' }, body: '{}' })).json();
    return { ticket: o.ticket, credential: await w.assert({ ...o.public_key, ...args[0] }) };`;
const send = (w, body) => w.api(null, 'POST', '/v1/sign-in/passkey', body);

async function signOut(w, b) {
    await b.open(w.base + '/account');
    await b.settled(); // a page that is still drawn anew may lose the click
    await b.click('Sign out');
    await b.at('/sign-in');
    await b.settled();
}

// Another site, of the same host name at another port, that got hold of a challenge of ours.
async function otherSite(w) {
    const port = await freePort();
    const pem = ['other.key', 'other.pem'].map((name) => path.join(w.dir, name));
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', pem[0], '-out', pem[1]], { stdio: 'ignore' });
    const server = https.createServer({ key: fs.readFileSync(pem[0]), cert: fs.readFileSync(pem[1]) }, (req, res) => {
        const script = req.url === '/webauthn.js';
        res.setHeader('Content-Type', script ? 'text/javascript' : 'text/html');
        res.end(script ? fs.readFileSync(path.join(web, 'webauthn.js')) : '<!DOCTYPE html><html lang="en" data-ready="yes"><title>other</title>');
    });
    await new Promise((done) => server.listen(port, '127.0.0.1', done));
    return { base: `https://localhost:${port}`, close: () => server.close() };
}

async function register(w, b) {
    w.key = await b.authenticator();
    await test('a passkey is registered and named', async () => {
        await b.open(w.base + '/account');
        await b.click('Add a passkey');
        await b.type('dialog input[name=name]', 'Laptop <b>of</b> alice');
        await b.click('Go on');
        await w.stepUpIfAsked(b);
        await b.says('The passkey is added.');
        await b.says('Laptop <b>of</b> alice');
        const [credential] = await b.credentials(w.key);
        ok(credential.isResidentCredential, 'not discoverable');
        is(credential.rpId, 'localhost', 'relying party');
    });
    await test('the same device is not registered twice', async () => {
        await b.click('Add a passkey');
        await b.click('Go on');
        await b.says('already holds a passkey');
        await b.click('Cancel');
        is((await b.credentials(w.key)).length, 1, 'credentials');
    });
    await test('a passkey is renamed', async () => {
        await b.click('Rename Laptop <b>of</b> alice');
        await b.type('dialog input[name=name]', 'Laptop of alice');
        await b.click('Rename');
        await b.says('Laptop of alice');
        await b.errors();
    });
}

async function use(w, b) {
    await test('a passkey signs in without a name and without a password', async () => {
        await signOut(w, b);
        if (!(await b.url()).includes('/account'))
            await b.click('Sign in with a passkey').catch(() => {});
        await b.at('/account');
        await b.settled();
        await b.says('alice');
        await b.errors();
    });
    await test('a passkey is the second factor behind a password', async () => {
        await signOut(w, b);
        const first = await w.api(null, 'POST', '/v1/sign-in', { user: 'alice', password: require('./world.js').password });
        is(first.json.state, 'second-factor', 'state');
        ok(first.json.methods.includes('passkey'), `methods ${first.json.methods}`);
        const signed = await b.wait(`const w = await import('/assets/webauthn.js');
            const o = await (await fetch('/v1/sign-in/passkey/options', { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Bartizan-CSRF': '1' }, body: JSON.stringify({ ticket: args[0] }) })).json();
            return { ticket: o.ticket, credential: await w.assert(o.public_key) };`, first.json.ticket);
        const done = await send(w, signed);
        is(done.status, 200, done.text);
        is(done.json.state, 'signed-in', 'state');
    });
    await test('a challenge is used once', async () => {
        const signed = await b.wait(sign, {});
        is((await send(w, signed)).status, 200, 'the first time');
        const again = await send(w, signed);
        is(again.status, 401, 'the second time');
        is(cookieOf(again), undefined, 'cookie');
        const fresh = await b.wait(sign, {});
        const mixed = await send(w, { ticket: fresh.ticket, credential: signed.credential });
        is(mixed.status, 401, 'an old signature with a fresh ticket');
    });
    await test('an assertion made for another origin is refused', async () => {
        const other = await otherSite(w);
        try {
            const options = (await w.api(null, 'POST', '/v1/sign-in/passkey/options', {})).json;
            await b.call('POST', '/url', { url: other.base + '/' });
            const credential = await b.wait(`return (await import('/webauthn.js')).assert(args[0]);`, options.public_key);
            const origin = JSON.parse(Buffer.from(credential.response.clientDataJSON, 'base64url')).origin;
            is(origin, other.base, 'the browser says where it was made');
            is((await send(w, { ticket: options.ticket, credential })).status, 401, 'status');
        } finally {
            other.close();
        }
    });
    await test('an assertion without user verification is refused', async () => {
        await b.call('POST', '/url', { url: w.base + '/assets/icon.svg' });
        await b.call('POST', '/url', { url: w.base + '/enrol#x' });
        await b.call('POST', `/webauthn/authenticator/${w.key}/uv`, { isUserVerified: false });
        const signed = await b.wait(sign, { userVerification: 'discouraged' });
        const flags = Buffer.from(signed.credential.response.authenticatorData, 'base64url')[32];
        is(flags & 4, 0, 'UV flag');
        is((await send(w, signed)).status, 401, 'status');
        await b.call('POST', `/webauthn/authenticator/${w.key}/uv`, { isUserVerified: true });
        is((await send(w, await b.wait(sign, {}))).status, 200, 'verified again');
    });
    await test('a damaged signature or swapped fields are refused', async () => {
        for (const spoil of [(c) => { c.response.signature = c.response.signature.slice(0, -6) + 'AAAAAA'; }, (c) => { c.response.userHandle = Buffer.from('somebody else').toString('base64url'); },
            (c) => { c.id = c.rawId = Buffer.alloc(32, 7).toString('base64url'); }, (c) => { c.response.clientDataJSON = Buffer.from('{}').toString('base64url'); }]) {
            const signed = await b.wait(sign, {});
            spoil(signed.credential);
            const answer = await send(w, signed);
            ok(answer.status === 401 || answer.status === 400, `${answer.status} for ${spoil}`);
            is(cookieOf(answer), undefined, 'cookie');
        }
    });
    await test('a cloned authenticator is refused and raises an alarm', async () => {
        const [credential] = await b.credentials(w.key);
        await b.call('DELETE', `/webauthn/authenticator/${w.key}`);
        const other = await b.authenticator();
        await b.call('POST', `/webauthn/authenticator/${other}/credential`, { ...credential, signCount: 1 });
        const signed = await b.wait(sign, {});
        const count = Buffer.from(signed.credential.response.authenticatorData, 'base64url').readUInt32BE(33);
        ok(count <= credential.signCount, `counter ${count}, was ${credential.signCount}`);
        const answer = await send(w, signed);
        ok(answer.status >= 400 && answer.status < 500, `status ${answer.status}`);
        is(cookieOf(answer), undefined, 'cookie');
        ok(/counter|clone|two authenticators/i.test(w.cli('access', 'log', '--event', 'alarm', '--format', 'json')), 'no alarm in the trail');
        // The owner's own device, whose counter is ahead, goes on working.
        await b.call('DELETE', `/webauthn/authenticator/${other}`);
        w.key = await b.authenticator();
        await b.call('POST', `/webauthn/authenticator/${w.key}/credential`, { ...credential, signCount: credential.signCount + 10 });
        await b.errors();
    });
}

module.exports = { register, use, signOut, otherSite };
