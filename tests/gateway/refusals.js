// What nginx refuses by itself on the routes of models: too large, too long, too slow, too many. The client hears it in the shape
// of its protocol, and it stands in the ledger. TAP on stdout.
'use strict';
const fs = require('fs');
const net = require('net');
const path = require('path');
const tls = require('tls');
const { test, is, ok } = require('../browser/tap.js');
const { program, Mock, Gateway, until } = require('./world.js');

const say = (content, more = {}) => ({ model: 'mock-1', messages: [{ role: 'user', content }], ...more });
const routes = [['/v1/chat/completions', 'openai'], ['/v1/messages', 'anthropic'], ['/api/chat', 'ollama'], ['/mcp/words', 'mcp']];
const shapes = {
    openai: (j) => typeof j.error.message === 'string' && typeof j.error.code === 'string' && 'type' in j.error,
    anthropic: (j) => j.type === 'error' && typeof j.error.type === 'string' && typeof j.error.message === 'string',
    ollama: (j) => typeof j.error === 'string',
    mcp: (j) => j.jsonrpc === '2.0' && Number.isInteger(j.error.code) && typeof j.error.message === 'string',
};

// A connection to the plain or the https listener; { write, text(), closed() }.
function open(w, secure) {
    const parts = [];
    let closed = false;
    const s = secure ? tls.connect({ port: w.tls, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }) : net.connect(w.port, '127.0.0.1');
    s.on('data', (d) => parts.push(d)).on('error', () => {}).on('close', () => (closed = true)).on('end', () => s.end());
    return { write: (t) => s.write(t), destroy: () => s.destroy(), closed: () => closed, text: () => Buffer.concat(parts).toString('latin1') };
}

// Sends it; the answer: { status, headers, json }.
async function answer(w, secure, bytes) {
    const c = open(w, secure);
    c.write(bytes);
    await until('an answer', () => {
        const [head, body] = c.text().split('\r\n\r\n');
        const length = head?.match(/^content-length: (\d+)/im)?.[1];
        return c.closed() || (length !== undefined && body?.length >= Number(length));
    });
    c.destroy();
    const [head, ...rest] = c.text().split('\r\n\r\n');
    let json = null;
    try {
        json = JSON.parse(rest.join('\r\n\r\n'));
    } catch { /* not JSON */ }
    return { status: Number(head.split(' ')[1]), head, json, text: c.text() };
}

const head = (w, secure, target, more = []) => [`POST ${target} HTTP/1.1`, `Host: localhost${secure ? ':' + w.tls : ''}`, `Authorization: Bearer ${w.key}`, 'Content-Type: application/json', ...more, '', ''].join('\r\n');
const log = (w) => JSON.parse(w.cli('access', 'log', '--event', 'call', '--limit', '300', '--format', 'json')).items;

// The next entry of that status; without a caller, for none was looked for.
async function entry(w, before, status, what) {
    const e = await until(`the entry: ${what}`, () => log(w).find((i) => !before.has(i.id) && i.call.status === status));
    is(e.verdict, 'deny', JSON.stringify(e));
    return e;
}
const known = (w) => new Set(log(w).map((e) => e.id));

async function inShape(w, what, statuses, bytes) {
    for (const secure of [false, true])
        await test(`${what}, ${secure ? 'https' : 'plain http'}: in the shape of each protocol, and in the ledger`, async () => {
            for (const [target, protocol] of routes) {
                const before = known(w);
                const a = await answer(w, secure, bytes(secure, target));
                is(a.status, statuses[0], `${target}: ${a.text}`);
                ok(a.json && shapes[protocol](a.json), `${target}: ${a.text}`);
                const id = a.head.match(/^x-bartizan-request-id: (\S+)/im)?.[1];
                ok(id, `${target}: no id of the request: ${a.head}`);
                const e = await entry(w, before, statuses[1], target);
                is(e.request, id, `${target}: ${JSON.stringify(e)}`);
            }
        });
}

// Changes nginx's own settings, which are not ours to wait for.
async function change(w, ...pairs) {
    const file = path.join(w.state, 'gate/nginx.conf');
    let text = fs.readFileSync(file, 'utf8');
    for (const [from, to] of pairs) {
        ok(text.includes(from), `nginx.conf has no ${from}`);
        text = text.replaceAll(from, to);
    }
    fs.writeFileSync(file, text);
    const old = w.pids().workers;
    process.kill(w.pids().master, 'SIGHUP');
    await until('new workers', async () => w.pids().workers.some((p) => !old.includes(p)) && (await w.get('/v1/models')).status === 200);
    await until('the end of the old ones', () => w.pids().workers.every((p) => !old.includes(p)));
}

async function slow(w) {
    for (const secure of [false, true])
        await test(`a slow body, a slow head, ${secure ? 'https' : 'plain http'}: the connection is closed, and it is in the ledger`, async () => {
            for (const [what, bytes] of [['body', head(w, secure, routes[0][0], ['Content-Length: 100']) + '{"mod'], ['head', head(w, secure, routes[0][0]).slice(0, -2)]]) {
                const before = known(w), c = open(w, secure);
                c.write(bytes);
                await until('the end of the connection', () => c.closed());
                const e = await entry(w, before, 408, what);
                is(e.call.route ?? '', what === 'body' ? 'chat' : e.call.route ?? '', JSON.stringify(e));
            }
        });
}

async function many(w) {
    await test('too many at a time of one address, https: 429 in the shape of each protocol, and in the ledger', async () => {
        const streams = [open(w, true), open(w, true)];
        const body = JSON.stringify(say('mock:slow=50,size=1,huge=10000;', { stream: true }));
        for (const s of streams) {
            s.write(head(w, true, routes[0][0], [`Content-Length: ${body.length}`]) + body);
            await until('a stream', () => s.text().includes('data:'));
        }
        for (const [target, protocol] of routes) {
            const before = known(w);
            const a = await answer(w, true, head(w, true, target, ['Content-Length: 2']) + '{}');
            is(a.status, 429, `${target}: ${a.text}`);
            ok(a.json && shapes[protocol](a.json), `${target}: ${a.text}`);
            await entry(w, before, 429, target);
        }
        streams.forEach((s) => s.destroy());
    });
}

async function unread(w) {
    const cases = [['a line that is none', 400, 400, 'NONSENSE\r\n\r\n'], ['an address that is too long', 414, 414, `GET /${'x'.repeat(70000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`], ['a header twice', 400, 400, `GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n`]];
    for (const secure of [false, true])
        await test(`what cannot be read, ${secure ? 'https' : 'plain http'}: JSON with an error, and in the ledger`, async () => {
            for (const [what, status, written, bytes] of cases) {
                const before = known(w);
                const a = await answer(w, secure, bytes);
                is(a.status, status, `${what}: ${a.text.slice(0, 300)}`);
                ok(a.json && (a.json.error?.message || a.json.title), `${what}: ${a.text.slice(0, 600)}`);
                await entry(w, before, written, what);
            }
        });
}

async function main(work) {
    const mock = await Mock.start();
    const w = await Gateway.start(work, mock, { gate: { body_max: 4096 } });
    try {
        await inShape(w, 'a body that says it is too large', [413, 413], (secure, target) => head(w, secure, target, ['Content-Length: 5000']) + ' '.repeat(5000));
        await inShape(w, 'a body that becomes too large', [413, 413], (secure, target) => head(w, secure, target, ['Transfer-Encoding: chunked']) + `1388\r\n${' '.repeat(5000)}\r\n0\r\n\r\n`);
        await inShape(w, 'a head that is too large', [431, 431], (secure, target) => head(w, secure, target, [`X-A: ${'x'.repeat(70000)}`]));
        await unread(w);
        await change(w, ['client_body_timeout 30s', 'client_body_timeout 1s'], ['client_header_timeout 10s', 'client_header_timeout 1s'], ['limit_conn bartizan_models 512', 'limit_conn bartizan_models 2']);
        await slow(w);
        await many(w);
    } finally {
        const status = await w.stop();
        await test('the gateway stops cleanly', () => is(status, 0, 'exit status'));
        await mock.stop();
    }
}

program('refusals', main);
