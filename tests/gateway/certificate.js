// The certificate that `bartizan gate run` made for itself, while it runs for longer than that lasts: a new one comes in time, for
// new connections, and streams that are under way go on. TAP on stdout.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const https = require('https');
const path = require('path');
const tls = require('tls');
const { test, is, ok } = require('../browser/tap.js');
const { program, clock, Mock, Gateway, until } = require('./world.js');

const day = 24 * 60;
const say = (content, more = {}) => ({ model: 'mock-1', messages: [{ role: 'user', content }], ...more });

// What a new connection is shown.
function shown(w) {
    return new Promise((done, fail) => {
        const s = tls.connect({ host: '127.0.0.1', port: w.tls, servername: 'localhost', rejectUnauthorized: false }, () => {
            done(new crypto.X509Certificate(s.getPeerCertificate().raw));
            s.destroy();
        });
        s.on('error', fail);
    });
}

// A stream over TLS that is as slow as the mock: { said, ended } while it goes on.
function stream(w, key) {
    const s = { said: '', ended: undefined };
    const body = JSON.stringify(say('mock:say=1,slow=150,size=3;', { stream: true }));
    const req = https.request({ host: '127.0.0.1', port: w.tls, servername: 'localhost', path: '/v1/chat/completions', method: 'POST', rejectUnauthorized: false, agent: false, headers: { ...w.auth(key), Host: `localhost:${w.tls}`, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) } }, (a) => {
        a.on('data', (d) => (s.said += d));
        a.on('close', () => (s.ended = a.complete ? 'whole' : 'cut'));
    });
    req.on('error', (error) => (s.ended = error.code));
    req.end(body);
    return s;
}

const told = (w) => fs.readFileSync(path.join(w.dir, 'gate.err'), 'utf8');
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function renewal(w, time) {
    const first = await shown(w), master = w.pids().master;
    await test('it is kept while it lasts for more than a week', async () => {
        time.later(389 * day);
        await pause(1000);
        is((await shown(w)).fingerprint256, first.fingerprint256, 'after 389 days');
        ok(!/renewed/.test(told(w)), told(w));
    });
    await test('in its last week new connections get another; a stream goes on to its end', async () => {
        const s = stream(w, w.newKey('app', 'of that time'));
        await until('the stream', () => s.said.includes('data:') || s.ended);
        time.later(2 * day);
        const next = await until('another certificate', async () => {
            const c = await shown(w);
            return c.fingerprint256 !== first.fingerprint256 && c;
        });
        is(s.ended, undefined, `the stream is still under way: ${s.said.slice(-300)}`);
        ok(new Date(next.validFrom) <= time.date() && new Date(next.validTo) - time.date() > 390 * 86400000, `${next.validFrom} ${next.validTo}`);
        ok(next.checkHost('localhost'), next.subjectAltName);
        is(new crypto.X509Certificate(fs.readFileSync(path.join(w.state, 'gate/self-signed.pem'))).fingerprint256, next.fingerprint256, 'the file that clients trust');
        is(fs.statSync(path.join(w.state, 'gate/self-signed.key')).mode & 0o777, 0o600, 'mode of the key');
        ok(/self-signed certificate was renewed/.test(told(w)), told(w));
        await until('the end of the stream', () => s.ended);
        is(s.ended, 'whole', 'the stream');
        ok(s.said.trimEnd().endsWith('data: [DONE]') && s.said.length > 5000, s.said.slice(-200));
        is(w.pids().master, master, 'nginx is the same');
        await pause(500);
        is((await shown(w)).fingerprint256, next.fingerprint256, 'renewed once');
    });
    await test('with a bartizan.yaml that is wrong it says so, and tries again', async () => {
        const before = await shown(w), good = fs.readFileSync(path.join(w.dir, 'bartizan.yaml'));
        fs.writeFileSync(path.join(w.dir, 'bartizan.yaml'), '{');
        time.later(391 * day);
        await until('a warning', () => /cannot be renewed.*bartizan\.yaml/.test(told(w)));
        is((await shown(w)).fingerprint256, before.fingerprint256, 'the one of before');
        fs.writeFileSync(path.join(w.dir, 'bartizan.yaml'), good);
        await pause(500);
        is(told(w).match(/cannot be renewed/g).length, 1, 'attempts');
        time.later(61);
        await until('another certificate', async () => (await shown(w)).fingerprint256 !== before.fingerprint256);
        is((await w.post('/v1/chat/completions', say('x'), { key: w.newKey('app', 'later') })).status, 200, 'afterwards');
    });
}

async function main(work) {
    const mock = await Mock.start();
    const time = clock(work);
    await mock.say('one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen', 1);
    const w = await Gateway.start(work, mock, { env: time.env });
    try {
        await renewal(w, time);
    } finally {
        const status = await w.stop();
        await test('the gateway stops cleanly', () => is(status, 0, 'exit status'));
        await mock.stop();
    }
}

program('certificate', main);
