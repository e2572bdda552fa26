// Bounds of what passes: bytes of answers, large ones beside small ones, sockets whose permission ends, and requests that nginx
// refuses by itself, streams of HTTP/2 that are reset without end. TAP on stdout.
'use strict';
const crypto = require('crypto');
const http = require('http');
const net = require('net');
const tls = require('tls');
const { test, is, ok } = require('../browser/tap.js');
const { program, Mock, Gateway, request, raw, canary, until } = require('./world.js');

const chat = '/v1/chat/completions';
const say = (content, more = {}) => ({ model: 'mock-1', messages: [{ role: 'user', content }], ...more });

// RFC 6455, the client's half.
function frame(text, opcode = 0x81) {
    const payload = Buffer.from(text), mask = crypto.randomBytes(4);
    const head = payload.length < 126 ? Buffer.from([opcode, 0x80 | payload.length]) : Buffer.from([opcode, 0xfe, payload.length >> 8, payload.length & 255]);
    return Buffer.concat([head, mask, payload.map((b, i) => b ^ mask[i % 4])]);
}

// A socket; `early`: bytes that are sent together with the request.
function socket(w, key, early = Buffer.alloc(0)) {
    return new Promise((done, fail) => {
        const parts = [];
        const c = { s: net.connect(w.port, '127.0.0.1'), closed: false, bytes: () => Buffer.concat(parts), text: () => Buffer.concat(parts).toString('latin1') };
        const head = ['GET /socket HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${crypto.randomBytes(16).toString('base64')}`, `Authorization: Bearer ${key}`, '', ''].join('\r\n');
        c.s.on('connect', () => c.s.write(Buffer.concat([Buffer.from(head), early])));
        c.s.on('data', (d) => {
            parts.push(d);
            if (c.text().includes('\r\n\r\n'))
                done(c);
        }).on('error', () => {}).on('close', () => {
            c.closed = true;
            fail(new Error(`closed: ${c.text()}`));
        });
    });
}

const policyClose = Buffer.from([0x88, 0x02, 0x03, 0xf0]);

async function closed(c) {
    await until('the end of the socket', () => c.closed);
    ok(c.bytes().subarray(-4).equals(policyClose), `1008 was expected at the end of ${c.bytes().subarray(-40).toString('hex')}`);
}

// The newest entries of refused calls in the ledger; they come a moment after the answers.
function entries(w) {
    return JSON.parse(w.cli('access', 'log', '--event', 'call', '--verdict', 'deny', '--limit', '100', '--format', 'json')).items;
}

async function sizes(w) {
    await test('response_bytes: an answer of bytes that says its length is refused', async () => {
        const a = await w.post('/score', { input: 'mock:huge=100000,type=application/pdf;' }, { key: w.few });
        is(a.status, 502, a.text.slice(0, 100));
        is(a.json?.title ?? a.json?.error?.code ?? a.json?.error?.type, 'response_too_large', a.text.slice(0, 200));
        const b = await w.post('/score', { input: 'mock:huge=10000,type=application/pdf;' }, { key: w.few });
        is(b.status, 200, 'a smaller one');
        is(b.body.length, 10000, 'its bytes');
    });
    await test('response_bytes: a socket that got more is closed', async () => {
        const c = await socket(w, w.few);
        const bytes = 'x'.repeat(9000);
        for (let i = 0; i < 2; i++) {
            c.s.write(frame(bytes, 0x82));
            await until('the echo', () => c.bytes().length > 9000 * (i + 1));
        }
        c.s.write(frame(bytes, 0x82));
        await until('the end of the socket', () => c.closed);
        ok(c.bytes().length < 28000, `${c.bytes().length} bytes came`);
    });
    await test('response_bytes: a whole answer and a stream are still cut', async () => {
        is((await w.post(chat, say('mock:huge=100000;'), { key: w.few })).status, 502, 'whole');
        const a = await w.post(chat, say('mock:huge=100000,size=100;', { stream: true }), { key: w.few });
        ok(a.body.length < 60000 && /response_too_large/.test(a.text), `${a.body.length} bytes: ${a.text.slice(-200)}`);
    });
}

async function large(w) {
    await test('a large answer comes as it was said, and keeps nobody waiting', async () => {
        const ends = [], body = JSON.stringify(say('mock:huge=4000000;'));
        let came = 0;
        const big = new Promise((done, fail) => {
            const req = http.request({ host: '127.0.0.1', port: w.port, path: chat, method: 'POST', headers: { ...w.auth(), 'Content-Type': 'application/json', 'Content-Length': body.length } }, (a) => {
                const parts = [];
                came = Date.now();
                a.on('data', (d) => parts.push(d)).on('end', () => done({ headers: a.headers, text: Buffer.concat(parts).toString() }));
            });
            req.on('error', fail);
            req.end(body);
        });
        while (!came) {
            is((await w.get('/v1/models')).status, 200, 'a small one meanwhile');
            ends.push(Date.now());
        }
        const a = await big;
        is(JSON.parse(a.text).choices[0].message.content.length, 4000000, 'characters');
        // Those that were answered while the gateway was at work on the large one.
        const own = Number(a.headers['x-bartizan-overhead-ms']);
        const meanwhile = ends.filter((t) => t > came - own && t < came).length;
        ok(meanwhile >= 3, `${meanwhile} of ${ends.length} small ones were answered in its ${own} ms`);
    });
    await test('a large answer that may not leave does not', async () => {
        const n = await w.mock.say('word '.repeat(30000) + canary);
        const a = await w.post(chat, say(`mock:say=${n};`));
        is(a.status, 403, a.text.slice(0, 200));
        ok(!a.text.includes(canary), 'it left');
    });
    await test('clients that leave while a thread reads their answer harm nobody', async () => {
        for (let i = 0; i < 8; i++) {
            const controller = new AbortController();
            const gone = request(w.port, chat, { body: say('mock:huge=2000000;'), headers: w.auth(), signal: controller.signal }).catch(() => 0);
            setTimeout(() => controller.abort(), 40 * i);
            await gone;
        }
        is((await w.post(chat, say('x'))).status, 200, 'afterwards');
    });
    await test('over HTTP/2 and with a connection that is kept, too', async () => {
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
        for (let i = 0; i < 3; i++) {
            const a = await w.post(chat, say('mock:huge=100000;'), { agent });
            is(a.json?.choices[0].message.content.length, 100000, `answer ${i}`);
        }
        agent.destroy();
    });
}

async function sockets(w) {
    await test('WebSocket: what comes with the request is read and goes on', async () => {
        const c = await socket(w, w.key, frame('early bird'));
        await until('the echo', () => c.text().includes('early bird'));
        c.s.destroy();
    });
    await test('WebSocket: a message of the client that a rule blocks does not reach the server', async () => {
        const secret = 'about project falcon';
        const parts = [frame(secret.slice(0, 9), 0x01), frame('', 0x89), frame(secret.slice(9), 0x80)];
        for (const frames of [[frame(secret)], parts]) {
            const c = await socket(w, w.key);
            c.s.write(frame('before'));
            await until('the echo', () => c.text().includes('before'));
            for (const f of frames)
                c.s.write(f);
            await closed(c);
            ok(!/falcon/.test(c.text()), 'it was echoed');
        }
        const c = await socket(w, w.key, frame(secret));
        await closed(c);
        ok(!/falcon/.test(c.text()), 'early bytes were echoed');
    });
    await test('WebSocket: in pieces of one byte, and many messages at once', async () => {
        const c = await socket(w, w.key);
        c.s.setNoDelay(true);
        for (const b of frame('byte by byte'))
            c.s.write(Buffer.from([b]));
        await until('the echo', () => c.text().includes('byte by byte'));
        c.s.write(Buffer.concat(Array.from({ length: 500 }, (_, i) => frame(`message ${i};`))));
        await until('all of them', () => c.text().includes('message 499;'));
        c.s.destroy();
    });
    await test('WebSocket: ends when the key is revoked, the role is taken; another one goes on', async () => {
        const key = w.service('socketeer', ['user']), other = w.service('socketeer-2', ['user']);
        const a = await socket(w, key), b = await socket(w, other), c = await socket(w, w.key);
        const id = JSON.parse(w.cli('access', 'key', 'list', '--format', 'json')).items.find((k) => k.name === 'socketeer').id;
        w.cli('access', 'key', 'revoke', id);
        await closed(a);
        ok(!b.closed, 'the other one was closed with it');
        w.cli('access', 'service', 'set', 'socketeer-2', '--status', 'disabled');
        await closed(b);
        c.s.write(frame('still here'));
        await until('the echo', () => c.text().includes('still here'));
        c.s.destroy();
    });
}

async function refusals(w) {
    const cases = [
        ['a line that is none', 400, 'NONSENSE\r\n\r\n'],
        ['a header that is none', 400, `GET /v1/models HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n`],
        ['an address that is too long', 414, `GET /${'x'.repeat(70000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`],
        ['headers that are too long', 431, `GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX-A: ${'x'.repeat(70000)}\r\n\r\n`],
        ['a body that is too long', 413, `POST ${chat} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n`],
        ['another name in Host', 421, `GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n`],
    ];
    for (const [name, statuses, bytes] of cases)
        await test(`what nginx refuses is in the ledger: ${name}`, async () => {
            const before = new Set(entries(w).map((e) => JSON.stringify(e)));
            const a = await raw(w.port, bytes, 1500);
            const wanted = [statuses].flat();
            ok(wanted.some((s) => new RegExp(`^HTTP/1\\.[01] ${s}`).test(a)), a.slice(0, 100));
            let found;
            await until('its entry', () => (found = entries(w).find((e) => !before.has(JSON.stringify(e)) && wanted.includes(e.call?.status))) !== undefined);
            is(found.verdict, 'deny', JSON.stringify(found));
            ok(!found.principal, JSON.stringify(found));
        });
}

// HTTP/2 by hand, for no client's library resets what it has not sent. RFC 9113, RFC 7541 without a table of one's own.
function h2frame(type, flags, stream, payload = Buffer.alloc(0)) {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
}

function h2head(w, key, body) {
    const field = (name, value) => Buffer.concat([Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]); // shorter than 127
    return Buffer.concat([Buffer.from([0x83, 0x87]), field([0x04], chat), field([0x01], `localhost:${w.tls}`), field([0x0f, 0x08], `Bearer ${key}`), field([0x0f, 0x10], 'application/json'), field([0x0f, 0x0d], String(body.length))]);
}

async function resets(w) {
    await test('HTTP/2: streams that are opened and reset without end: the connection is closed, nobody else waits, places come back', async () => {
        const body = Buffer.from(JSON.stringify(say('mock:slow=50,size=1,huge=1000;', { stream: true }))), head = h2head(w, w.resetting, body);
        const before = (await w.mock.counts()).requests;
        const s = tls.connect({ port: w.tls, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false, ALPNProtocols: ['h2'] });
        let closed = false;
        s.on('error', () => {}).on('close', () => (closed = true)).resume();
        await new Promise((done) => s.once('secureConnect', done));
        is(s.alpnProtocol, 'h2', 'protocol');
        s.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), h2frame(4, 0, 0)]));
        let sent = 0, others = 0;
        while (!closed && sent < 20000) {
            const burst = [];
            for (let i = 0; i < 50; i++, sent++) {
                const stream = 2 * sent + 1;
                burst.push(h2frame(1, 4, stream, head), h2frame(0, 1, stream, body), h2frame(3, 0, stream, Buffer.from([0, 0, 0, 8])));
            }
            s.write(Buffer.concat(burst));
            if (sent % 500 === 0) {
                is((await w.post(chat, say('x'))).status, 200, 'somebody else');
                others++;
            }
            await new Promise((done) => setImmediate(done));
        }
        ok(closed, `after ${sent} streams it is still open`);
        const asked = (await w.mock.counts()).requests - before - others;
        ok(asked <= 1000, `${asked} requests upstream`);
        is((await Promise.all([0, 1].map(() => w.post(chat, say('mock:first=100;'), { key: w.resetting })))).map((a) => a.status).join(), '200,200', 'both places');
        s.destroy();
    });
}

async function main(work) {
    const mock = await Mock.start();
    const gate = { workers: 1, guard: { topics: [{ name: 'merger', words: ['project falcon'] }], rules: [{ detector: 'topic', channels: ['user'], action: 'block' }] }, limits: [{ each: 'principal', name: 'few', response_bytes: 20000 }, { each: 'principal', name: 'resetting', concurrency: 2 }] };
    const w = await Gateway.start(work, mock, { gate });
    try {
        w.few = w.service('few', ['user']);
        w.resetting = w.service('resetting', ['user']);
        for (const part of [sizes, large, sockets, refusals, resets])
            if (!process.env.BTZ_ONLY || process.env.BTZ_ONLY.split(',').includes(part.name))
                await part(w);
    } finally {
        const status = await w.stop();
        await test('the gateway stops cleanly', () => is(status, 0, 'exit status'));
        await mock.stop();
    }
}

program('bounds', main);
