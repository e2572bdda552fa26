// Every credential on the routes of models: key, session of a browser, token of an issuer, client certificate. Each lets its
// owner in, is refused when it is wrong, expired or revoked, never reaches the upstream, and stands in the ledger. TAP on stdout.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const https = require('https');
const path = require('path');
const { spawnSync } = require('child_process');
const { test, is, ok } = require('../browser/tap.js');
const { program, clock, Mock, Gateway, until, freePort } = require('./world.js');
const { Driver } = require('../browser/driver.js');
const { Authenticator } = require('../browser/client.js');
const { cookieOf, password } = require('../browser/world.js');
const { read } = require('./lanes.js');

const chat = '/v1/chat/completions';
const say = (content, more = {}) => ({ model: 'mock-1', messages: [{ role: 'user', content }], ...more });

// Over TLS, with whatever headers and client certificate: { status, headers, text, json }. `tls`: a key and a certificate.
function ask(w, target, { method, headers = {}, body, tls = {} } = {}) {
    const data = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body);
    return new Promise((done, fail) => {
        const req = https.request({
            host: '127.0.0.1', port: w.tls, servername: 'localhost', path: target, method: method ?? (data === null ? 'GET' : 'POST'), rejectUnauthorized: false, agent: false, ...tls,
            headers: { Host: `localhost:${w.tls}`, ...(data === null ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(data) }), ...headers },
        }, (answer) => {
            const parts = [];
            answer.on('data', (d) => parts.push(d)).on('end', () => {
                const text = Buffer.concat(parts).toString();
                let json = null;
                try {
                    json = JSON.parse(text);
                } catch { /* not JSON */ }
                done({ status: answer.statusCode, headers: answer.headers, text, json });
            });
        });
        req.on('error', fail);
        req.end(data ?? undefined);
    });
}

const own = (w) => ({ Origin: w.origin, 'Sec-Fetch-Site': 'same-origin', 'X-Bartizan-CSRF': '1' });

// The entry of a request in the ledger; it comes a moment after the answer.
async function entry(w, answer) {
    const id = answer.headers['x-bartizan-request-id'];
    ok(id, `no request id: ${answer.status} ${answer.text}`);
    return until('the entry', () => JSON.parse(w.cli('access', 'log', '--event', 'call', '--limit', '200', '--format', 'json')).items.find((e) => e.request === id));
}

// Lets in, whole and as a stream; the entry says who and how; the upstream gets its own credential and nothing of the caller's.
async function letsIn(w, name, method, secrets, send) {
    await w.mock.seen();
    const whole = await send(say('x'));
    is(whole.status, 200, whole.text);
    ok(whole.text.includes('Hello from the mock.'), whole.text);
    const stream = await send(say('mock:seed=2;', { stream: true }));
    is(read('chat', stream.text, true).only('t'), 'Hello from the mock.', stream.text);
    const seen = await w.mock.seen();
    is(seen.length, 2, 'requests upstream');
    for (const r of seen)
        for (const secret of [secrets].flat())
            ok(!r.headers.some(([, v]) => v.includes(secret)) && r.all('cookie').length === 0, `upstream got ${JSON.stringify(r.headers)}`);
    const e = await entry(w, whole);
    is(e.name, name, JSON.stringify(e));
    is(e.method, method, JSON.stringify(e));
    is(e.verdict, 'allow', JSON.stringify(e));
}

// Refused in the shape of the protocol, without a word upstream.
async function refused(w, answer, status, what) {
    is(answer.status, status, `${what}: ${answer.text}`);
    ok(typeof answer.json?.error?.code === 'string', `${what}: ${answer.text}`);
    is((await w.mock.seen()).length, 0, `${what}: requests upstream`);
}

// ---- keys

async function keys(w) {
    const send = (key, as = 'bearer') => (body) => ask(w, chat, { body, headers: as === 'bearer' ? { Authorization: `Bearer ${key}` } : { [as]: key } });
    const key = w.service('keyed', ['user']);
    for (const as of ['bearer', 'x-api-key', 'api-key'])
        await test(`key, as ${as}`, () => letsIn(w, 'keyed', 'key', key, send(key, as)));
    await test('key: wrong, of nobody, of another form, two different ones, expired, revoked, of a disabled service', async () => {
        for (const [what, bad] of [['one letter is another', key.slice(0, -1) + (key.endsWith('A') ? 'B' : 'A')], ['of nobody', 'btz_' + 'A'.repeat(key.length - 4)], ['of another form', 'sk-proj-abc'], ['cut', key.slice(0, 20)]])
            await refused(w, await send(bad)(say('x')), 401, what);
        const two = await ask(w, chat, { body: say('x'), headers: { Authorization: `Bearer ${key}`, 'x-api-key': w.key } });
        ok(two.status === 400 || two.status === 401, `two keys: ${two.status} ${two.text}`);
        is((await w.mock.seen()).length, 0, 'two keys: requests upstream');
        const short = w.local('/v1/keys', { principal: 'keyed', name: 'short', life: '1s' }).secret;
        await until('the end of the key', async () => (await send(short)(say('x'))).status === 401);
        await w.mock.seen();
        await refused(w, await send(short)(say('x')), 401, 'expired');
        const other = w.newKey('keyed', 'other');
        is((await send(other)(say('x'))).status, 200, 'a second key');
        await w.mock.seen();
        const late = await send(short)(say('x')); // also when who may do what was written anew since
        await refused(w, late, 401, 'expired before');
        ok(/expired/.test(late.json.error.message), late.text);
        const id = JSON.parse(w.cli('access', 'key', 'list', '--format', 'json')).items.find((k) => k.name === 'other').id;
        w.cli('access', 'key', 'revoke', id);
        await w.mock.seen();
        await refused(w, await send(other)(say('x')), 401, 'revoked');
        w.cli('access', 'service', 'set', 'keyed', '--status', 'disabled');
        const a = await send(key)(say('x'));
        ok(a.status === 401 || a.status === 403, `disabled: ${a.status} ${a.text}`);
        is((await w.mock.seen()).length, 0, 'disabled: requests upstream');
    });
}

// ---- sessions

// A person from the link to the end of signing in, with a second factor if wanted; the cookie.
async function person(w, name, totp) {
    const call = (where, body, cookie) => ask(w, where, { body, headers: { ...own(w), ...(cookie ? { Cookie: cookie } : {}) } });
    w.cli('access', 'user', 'add', name);
    w.cli('access', 'role', 'give', 'user', name, '--reason', 'tests');
    const link = w.cli('access', 'user', 'invite', name).match(/https:\S+/)[0];
    const first = await call('/v1/enrol', { token: new URL(link).hash.slice(1), password });
    ok(first.status < 300, first.text);
    const cookie = cookieOf(first);
    if (!totp)
        return cookie;
    const app = new Authenticator((await call('/v1/me/totp', {}, cookie)).json.secret);
    const confirmed = await call('/v1/me/totp/confirm', { code: await app.code() }, cookie);
    ok(confirmed.status < 300, confirmed.text);
    return cookieOf(confirmed) || cookie;
}

async function sessions(w) {
    const bob = await person(w, 'bob', true);
    const send = (headers, body = say('x'), more = {}) => ask(w, chat, { body, headers: { Cookie: bob, ...headers }, ...more });
    const csrf = { 'X-Bartizan-CSRF': '1' };
    await test('session: a page of the same origin, as a browser asks', () =>
        letsIn(w, 'bob', 'password+totp', bob.split('=')[1], (body) => send(own(w), body)));
    await test('session: reading needs the cookie alone, and no page of elsewhere', async () => {
        is((await ask(w, '/v1/models', { headers: { Cookie: bob, 'Sec-Fetch-Site': 'same-origin' } })).status, 200, 'own page');
        await refused(w, await ask(w, '/v1/models', { headers: { Cookie: bob, Origin: 'https://evil.example' } }), 403, 'Origin of elsewhere');
        await refused(w, await ask(w, '/v1/models', { headers: { Cookie: bob, 'Sec-Fetch-Site': 'cross-site' } }), 403, 'Sec-Fetch-Site');
    });
    await test('session: what a page of elsewhere, or a form, makes a browser send is refused', async () => {
        const { Origin, ...site } = own(w);
        const cases = [
            ['no CSRF header', { Origin, 'Sec-Fetch-Site': 'same-origin' }, 403], ['another value of it', { ...own(w), 'X-Bartizan-CSRF': '0' }, 403], ['no Origin', site, 403],
            ['another Origin', { ...own(w), Origin: 'https://evil.example' }, 403], ['Origin null', { ...own(w), Origin: 'null' }, 403], ['a prefix of the Origin', { ...own(w), Origin: Origin.slice(0, -1) }, 403],
            ['the same host by plain http', { ...own(w), Origin: Origin.replace('https', 'http') }, 403], ['cross-site', { ...own(w), 'Sec-Fetch-Site': 'cross-site' }, 403], ['same-site', { ...own(w), 'Sec-Fetch-Site': 'same-site' }, 403],
            ['a form', { ...own(w), 'Content-Type': 'text/plain' }, 415], ['the body of a form', { ...own(w), 'Content-Type': 'application/x-www-form-urlencoded' }, 415],
        ];
        await w.mock.seen();
        for (const [what, headers, status] of cases)
            await refused(w, await send(headers), status, what);
        for (const method of ['OPTIONS', 'PUT', 'GET'])
            ok((await ask(w, chat, { method, headers: { Cookie: bob, Origin: 'https://evil.example', ...csrf } })).status >= 400, method);
    });
    await test('session: the plain listener is of another origin', async () => {
        const a = await w.post(chat, say('x'), { key: '', headers: { Cookie: bob, ...csrf, Origin: w.url } });
        ok(a.status === 401 || a.status === 403, `${a.status} ${a.text}`);
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
    await test('session: a key goes before it', async () => {
        const a = await send({ Authorization: `Bearer ${w.key}` });
        is(a.status, 200, a.text);
        is((await entry(w, a)).name, 'app', 'who');
        await w.mock.seen();
        await refused(w, await send({ ...own(w), Authorization: 'Bearer btz_wrong' }), 401, 'a wrong key beside a good session');
    });
    await test('session: wrong, empty, of another name', async () => {
        const [name, value] = bob.split('=');
        for (const [what, cookie] of [['wrong', `${name}=${value.slice(0, -2)}${value.endsWith('AA') ? 'BB' : 'AA'}`], ['empty', `${name}=`], ['another name', `session=${value}`], ['without its prefix', bob.replace('__Host-', '')]])
            await refused(w, await ask(w, chat, { body: say('x'), headers: { ...own(w), Cookie: cookie } }), 401, what);
    });
    await endings(w);
    await browser(w);
}

async function signIn(w, name) {
    const a = await ask(w, '/v1/sign-in', { body: { user: name, password }, headers: own(w) });
    ok(a.status < 300 && cookieOf(a), `${a.status} ${a.text}`);
    return cookieOf(a);
}

async function endings(w) {
    const send = (cookie) => ask(w, chat, { body: say('x'), headers: { ...own(w), Cookie: cookie } });
    await person(w, 'carol');
    const ways = {
        'signed out': async (cookie) => ok((await ask(w, '/v1/sign-out', { body: {}, headers: { ...own(w), Cookie: cookie } })).status < 300, 'signing out'),
        'ended by an administrator': () => JSON.parse(w.cli('access', 'session', 'list', '--principal', 'carol', '--format', 'json')).items.forEach((s) => w.cli('access', 'session', 'end', s.id)),
        'of an account that is disabled': () => w.cli('access', 'user', 'set', 'carol', '--status', 'disabled'),
    };
    for (const [what, end] of Object.entries(ways))
        await test(`session: ${what}, it opens nothing any more`, async () => {
            const cookie = await signIn(w, 'carol');
            is((await send(cookie)).status, 200, 'before');
            await w.mock.seen();
            await end(cookie);
            await refused(w, await send(cookie), 401, 'afterwards');
        });
    w.cli('access', 'user', 'set', 'carol', '--status', 'active');
}

async function browser(w) {
    if (['chromium', 'chromedriver'].some((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0)) {
        await test('session: a real browser', () => ({ skip: 'chromium is not installed' }));
        return;
    }
    const driver = await Driver.start();
    try {
        const b = await driver.browser();
        const cookie = await signIn(w, 'carol');
        await b.call('POST', '/url', { url: `${w.origin}/sign-in` });
        await b.call('POST', '/cookie', { cookie: { name: cookie.split('=')[0], value: cookie.split('=')[1], path: '/', secure: true, httpOnly: true, sameSite: 'Strict' } });
        const post = `const [to, body, csrf] = args; try { const r = await fetch(to, { method: 'POST', credentials: 'include', headers: { 'Content-Type': 'application/json', ...(csrf ? { 'X-Bartizan-CSRF': '1' } : {}) }, body }); return r.status + ' ' + await r.text(); } catch (e) { return 'refused'; }`;
        await test('session: a real browser\'s fetch on a page of ours, whole, streamed, and without the header', async () => {
            const whole = await b.wait(post, chat, JSON.stringify(say('x')), true);
            ok(whole.startsWith('200') && whole.includes('Hello from the mock.'), whole);
            is(read('chat', (await b.wait(post, chat, JSON.stringify(say('mock:seed=4;', { stream: true })), true)).slice(4), true).only('t'), 'Hello from the mock.', 'streamed');
            ok((await b.wait(post, chat, JSON.stringify(say('x')), false)).startsWith('403'), 'without the header');
        });
        await test('session: a real browser on a page of elsewhere gets nothing', async () => {
            await w.mock.seen();
            await b.call('POST', '/url', { url: 'data:text/html,x' });
            is(await b.wait(post, w.origin + chat, JSON.stringify(say('x')), true), 'refused', 'fetch');
            is((await w.mock.seen()).length, 0, 'requests upstream');
        });
        await b.close();
    } finally {
        await driver.stop();
    }
}

// ---- tokens

const b64 = (v) => Buffer.from(typeof v === 'string' || Buffer.isBuffer(v) ? v : JSON.stringify(v)).toString('base64url');

// An issuer (OpenID Connect Discovery, JWKS) over TLS with a certificate of the tests' authority.
class Issuer {
    static async start(pki) {
        const i = new Issuer();
        i.port = await freePort();
        i.url = `https://localhost:${i.port}/realm`;
        i.pair = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
        i.asked = 0;
        i.server = https.createServer({ key: fs.readFileSync(pki.file('issuer.key')), cert: fs.readFileSync(pki.file('issuer.pem')) }, (q, a) => {
            i.asked++;
            a.setHeader('Content-Type', 'application/json');
            if (q.url === '/realm/.well-known/openid-configuration')
                a.end(JSON.stringify({ issuer: i.url, authorization_endpoint: i.url + '/auth', token_endpoint: i.url + '/token', jwks_uri: i.url + '/jwks', response_types_supported: ['code'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['ES256'], code_challenge_methods_supported: ['S256'] }));
            else if (q.url === '/realm/jwks')
                a.end(JSON.stringify({ keys: [{ ...i.pair.publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' }] }));
            else
                a.writeHead(404).end('{}');
        });
        await new Promise((done) => i.server.listen(i.port, '127.0.0.1', done));
        return i;
    }

    // RFC 9068; `claims` and `header` over the honest ones, `key` in place of the published one.
    token(claims = {}, header = {}, key = this.pair.privateKey) {
        const now = Math.floor(Date.now() / 1000);
        const text = `${b64({ alg: 'ES256', typ: 'at+jwt', kid: 'one', ...header })}.${b64({ iss: this.url, aud: 'models', sub: 'robot-7', client_id: 'c', jti: crypto.randomUUID(), iat: now, exp: now + 300, ...claims })}`;
        return `${text}.${b64(crypto.sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }))}`;
    }

    stop() {
        this.server.closeAllConnections();
        return new Promise((done) => this.server.close(done));
    }
}

async function tokens(w, { issuer }) {
    const send = (token) => (body = say('x')) => ask(w, chat, { body, headers: { Authorization: `Bearer ${token}` } });
    w.local('/v1/services', { name: 'robot' });
    w.local('/v1/bindings', { role: 'user', subject: 'robot', reason: 'tests' });
    w.cli('access', 'identity', 'add', 'robot', 'corp', 'robot-7');
    const token = issuer.token();
    await test('token of an issuer', () => letsIn(w, 'robot', 'oidc:corp', token, send(token)));
    await test('token: over, not yet, for others, of others, another subject, another key, forged in every way', async () => {
        const now = Math.floor(Date.now() / 1000), [head, body, sig] = token.split('.');
        const stranger = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
        const pem = issuer.pair.publicKey.export({ type: 'spki', format: 'pem' });
        const hs = `${b64({ alg: 'HS256', typ: 'at+jwt', kid: 'one' })}.${body}`;
        const cases = {
            over: issuer.token({ exp: now - 120, iat: now - 600 }), 'not yet': issuer.token({ nbf: now + 600 }), 'for others': issuer.token({ aud: 'elsewhere' }), 'of an issuer that is not configured': issuer.token({ iss: 'https://localhost:1/realm' }),
            'of somebody who is not linked': issuer.token({ sub: 'robot-8' }), 'without end': issuer.token({ exp: undefined }), 'an ID token': issuer.token({}, { typ: 'JWT' }), 'another key': issuer.token({}, {}, stranger),
            'no algorithm': `${b64({ alg: 'none', typ: 'at+jwt' })}.${body}.`, 'the public key as a secret': `${hs}.${b64(crypto.createHmac('sha256', pem).update(hs).digest())}`,
            'changed claims': `${head}.${b64({ ...JSON.parse(Buffer.from(body, 'base64url')), sub: 'alice' })}.${sig}`, 'no signature': `${head}.${body}.`, 'half of one': token.slice(0, -40),
            'its own key in the header': issuer.token({}, { jwk: crypto.createPublicKey(stranger).export({ format: 'jwk' }) }, stranger),
        };
        await w.mock.seen();
        for (const [what, bad] of Object.entries(cases))
            await refused(w, await send(bad)(), 401, what);
    });
    await test('token: the link is taken away, and it opens nothing any more', async () => {
        is((await send(token)()).status, 200, 'before');
        await w.mock.seen();
        w.cli('access', 'identity', 'remove', JSON.parse(w.cli('access', 'identity', 'list', '--format', 'json')).items.find((i) => i.subject === 'robot-7').id);
        await refused(w, await send(token)(), 401, 'afterwards');
    });
    await test('token: of a service without a role', async () => {
        w.local('/v1/services', { name: 'idle' });
        w.cli('access', 'identity', 'add', 'idle', 'corp', 'robot-9');
        await refused(w, await send(issuer.token({ sub: 'robot-9' }))(), 403, 'forbidden');
    });
}

// ---- certificates

// An authority that clients and the issuer have their certificates of, and another one.
class Pki {
    constructor(work) {
        this.dir = path.join(work, 'pki');
        fs.mkdirSync(this.dir);
        fs.writeFileSync(this.file('ca.cnf'), `[ca]\ndefault_ca = d\n[d]\nnew_certs_dir = ${this.dir}\ndatabase = ${this.dir}/index\nserial = ${this.dir}/serial\ndefault_md = sha256\npolicy = p\nunique_subject = no\ncopy_extensions = copy\n[p]\ncommonName = supplied\n[v3]\nbasicConstraints = CA:FALSE\n`);
        fs.writeFileSync(this.file('index'), '');
        fs.writeFileSync(this.file('serial'), '01\n');
        for (const name of ['authority', 'stranger'])
            this.openssl('req', '-x509', ...this.fresh(name), '-days', '2', '-subj', `/CN=${name} of the tests`, '-addext', 'keyUsage=critical,keyCertSign,cRLSign', '-out', this.file(`${name}.pem`));
    }

    file(name) {
        return path.join(this.dir, name);
    }

    fresh(name) {
        return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', this.file(`${name}.key`)];
    }

    openssl(...args) {
        const done = spawnSync('openssl', args, { encoding: 'utf8', cwd: this.dir });
        if (done.status !== 0)
            throw new Error(`openssl ${args.join(' ')}: ${done.stderr}`);
    }

    // `days`: from, to; from today.
    issue(name, { by = 'authority', san = `DNS:${name}`, days = [-1, 1] } = {}) {
        const at = (d) => new Date(Date.now() + d * 86400000).toISOString().replace(/[-:T]/g, '').slice(0, 14) + 'Z';
        this.openssl('req', '-new', ...this.fresh(name), '-subj', `/CN=${name}`, '-addext', `subjectAltName=${san}`, '-out', this.file(`${name}.csr`));
        this.openssl('ca', '-config', this.file('ca.cnf'), '-batch', '-notext', '-extensions', 'v3', '-cert', this.file(`${by}.pem`), '-keyfile', this.file(`${by}.key`), '-startdate', at(days[0]), '-enddate', at(days[1]), '-in', this.file(`${name}.csr`), '-out', this.file(`${name}.pem`));
        return { key: fs.readFileSync(this.file(`${name}.key`)), cert: fs.readFileSync(this.file(`${name}.pem`)) };
    }
}

async function certificates(w, { pki }) {
    const tls = pki.issue('machine'), other = pki.issue('unknown-machine'), named = pki.issue('by-name', { san: 'DNS:host-9.example' });
    const send = (pair, headers = {}) => (body = say('x')) => ask(w, chat, { body, tls: pair, headers });
    w.local('/v1/services', { name: 'box' });
    w.local('/v1/bindings', { role: 'user', subject: 'box', reason: 'tests' });
    const add = (...what) => w.cli('access', 'certificate', 'add', 'box', ...what);
    add('--certificate', pki.file('machine.pem'));
    add('--san', 'dns:host-9.example');
    await test('client certificate, by its fingerprint and by its name', async () => {
        await letsIn(w, 'box', 'mtls', [], send(tls));
        await letsIn(w, 'box', 'mtls', [], send(named));
    });
    await test('client certificate: what pages and forms of elsewhere make a browser send with it is refused', async () => {
        for (const [what, headers, status] of [['another Origin', { Origin: 'https://evil.example' }, 403], ['cross-site', { 'Sec-Fetch-Site': 'cross-site' }, 403], ['a form', { 'Content-Type': 'text/plain' }, 415]])
            await refused(w, await send(tls, headers)(), status, what);
    });
    await test('client certificate: of nobody, none, beside a wrong key', async () => {
        await refused(w, await send(other)(), 401, 'of nobody');
        await refused(w, await send({})(), 401, 'none');
        await refused(w, await send(tls, { Authorization: 'Bearer btz_wrong' })(), 401, 'beside a wrong key');
    });
    await test('client certificate: of another authority, over, without its key: TLS itself refuses', async () => {
        const foreign = pki.issue('foreign', { by: 'stranger', san: 'DNS:host-9.example' }), over = pki.issue('over', { san: 'DNS:host-9.example', days: [-9, -1] });
        for (const [what, pair] of [['of another authority', foreign], ['over', over]]) {
            const a = await send(pair)();
            ok(a.status === 400 || a.status === 401, `${what}: ${a.status} ${a.text}`);
            is((await w.mock.seen()).length, 0, `${what}: requests upstream`);
        }
        const header = await ask(w, chat, { body: say('x'), headers: { 'X-Bartizan-Client-Cert': encodeURIComponent(tls.cert), 'X-SSL-Client-Verify': 'SUCCESS', 'X-Bartizan-Principal': 'box' } });
        await refused(w, header, 401, 'in a header');
    });
    await test('client certificate: removed, it opens nothing any more', async () => {
        is((await send(tls)()).status, 200, 'before');
        await w.mock.seen();
        for (const c of JSON.parse(w.cli('access', 'certificate', 'list', '--format', 'json')).items)
            w.cli('access', 'certificate', 'remove', c.id);
        await refused(w, await send(tls)(), 401, 'by fingerprint');
        await refused(w, await send(named)(), 401, 'by name');
    });
}

// ---- age

// Idle sessions end after 10 minutes, all after 25: what `main` configures.
async function ages(w, { issuer, pki, time }) {
    const cookies = (cookie) => ask(w, chat, { body: say('x'), headers: { ...own(w), Cookie: cookie } });
    await person(w, 'dave');
    await test('session: it ends when nobody used it for a while, and no sooner', async () => {
        const cookie = await signIn(w, 'dave');
        time.later(9);
        is((await cookies(cookie)).status, 200, 'after 9 minutes');
        await w.mock.seen();
        time.later(11);
        await refused(w, await cookies(cookie), 401, 'after 11 minutes more');
    });
    await test('session: it ends by its age although it is used; requests to models count as use', async () => {
        const cookie = await signIn(w, 'dave');
        for (const age of [9, 18]) {
            time.later(9);
            is((await cookies(cookie)).status, 200, `after ${age} minutes`);
        }
        await w.mock.seen();
        time.later(8);
        const a = await cookies(cookie);
        await refused(w, a, 401, 'after 26 minutes');
        is((await entry(w, a)).verdict, 'deny', 'the entry');
        await refused(w, await cookies(cookie), 401, 'once more');
    });
    await test('token: it is over when its time is', async () => {
        w.local('/v1/services', { name: 'late-robot' });
        w.local('/v1/bindings', { role: 'user', subject: 'late-robot', reason: 'tests' });
        w.cli('access', 'identity', 'add', 'late-robot', 'corp', 'robot-10');
        const now = Math.floor(time.date() / 1000), token = issuer.token({ sub: 'robot-10', iat: now, exp: now + 300 });
        const send = () => ask(w, chat, { body: say('x'), headers: { Authorization: `Bearer ${token}` } });
        is((await send()).status, 200, 'before');
        await w.mock.seen();
        time.later(7);
        await refused(w, await send(), 401, 'after 7 minutes');
    });
    await test('key: its life of an hour is over after an hour; a role\'s is, too', async () => {
        w.local('/v1/services', { name: 'short-lived' });
        w.local('/v1/bindings', { role: 'user', subject: 'short-lived', until: new Date(time.date().getTime() + 40 * 60000).toISOString(), reason: 'tests' });
        const key = w.local('/v1/keys', { principal: 'short-lived', name: 'an hour', life: '1h' }).secret;
        const send = () => ask(w, chat, { body: say('x'), headers: { Authorization: `Bearer ${key}` } });
        is((await send()).status, 200, 'before');
        time.later(39);
        is((await send()).status, 200, 'after 39 minutes');
        await w.mock.seen();
        time.later(2);
        await refused(w, await send(), 403, 'the role is over');
        w.local('/v1/bindings', { role: 'user', subject: 'short-lived', reason: 'tests' });
        is((await send()).status, 200, 'with another role');
        await w.mock.seen();
        time.later(20);
        await refused(w, await send(), 401, 'the key is over');
    });
    await test('client certificate: its last day is over', async () => {
        const days = (time.date() - Date.now()) / 86400000 + 1;
        const tls = pki.issue('short-box', { days: [-1, days] });
        w.local('/v1/services', { name: 'late-box' });
        w.local('/v1/bindings', { role: 'user', subject: 'late-box', reason: 'tests' });
        w.cli('access', 'certificate', 'add', 'late-box', '--certificate', pki.file('short-box.pem'));
        const send = () => ask(w, chat, { body: say('x'), tls });
        is((await send()).status, 200, 'before');
        await w.mock.seen();
        time.later(25 * 60);
        const a = await send();
        ok(a.status === 400 || a.status === 401, `${a.status} ${a.text}`);
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
}

async function main(work) {
    const mock = await Mock.start();
    const time = clock(work);
    const pki = new Pki(work);
    pki.issue('issuer', { san: 'DNS:localhost' });
    const issuer = await Issuer.start(pki);
    const w = await Gateway.start(work, mock, {
        access: { issuers: [{ name: 'corp', url: issuer.url, audience: 'models' }], session_idle: '10m', session_absolute: '25m' },
        options: ['--client-ca', pki.file('authority.pem')], env: { BARTIZAN_CA: pki.file('authority.pem'), ...time.env },
    });
    w.origin = `https://localhost:${w.tls}`;
    try {
        for (const part of [keys, sessions, tokens, certificates, ages])
            if (!process.env.BTZ_ONLY || process.env.BTZ_ONLY.split(',').includes(part.name))
                await part(w, { issuer, pki, time });
    } finally {
        const status = await w.stop();
        await test('the gateway stops cleanly', () => is(status, 0, 'exit status'));
        await issuer.stop();
        await mock.stop();
    }
}

program('credentials', main);
