// An upstream that is against us, or merely odd: bytes as it likes, where the mock speaks proper HTTP. TAP on stdout.
'use strict';
const fs = require('fs');
const http2 = require('http2');
const net = require('net');
const zlib = require('zlib');
const { test, is, ok } = require('../browser/tap.js');
const { program, Gateway, raw, canary, until } = require('./world.js');
const { strings } = require('./lanes.js');

const chat = '/v1/chat/completions';
const say = (content, more = {}) => ({ model: 'mock-1', messages: [{ role: 'user', content }], ...more });
const whole = JSON.stringify({ id: 'x', object: 'chat.completion', model: 'mock-1', choices: [{ index: 0, message: { role: 'assistant', content: 'fine' }, finish_reason: 'stop' }] });
const half = [canary.slice(0, 9), canary.slice(9)];
const answer = (type, body, ...headers) => Buffer.concat([Buffer.from([`HTTP/1.1 200 OK`, `Content-Type: ${type}`, 'Connection: close', ...headers, '', ''].join('\r\n')), Buffer.from(body)]);
const events = (...all) => answer('text/event-stream', all.map((e) => `data: ${e}\n\n`).join(''));

// Says what it is told to, bytes or a function of the socket, as soon as the request is there.
class Liar {
    static start() {
        const liar = new Liar();
        liar.server = net.createServer((s) => {
            const parts = [];
            s.on('error', () => {}).on('data', (d) => {
                parts.push(d);
                const [head, ...body] = Buffer.concat(parts).toString('latin1').split('\r\n\r\n');
                const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
                if (!body.length || body.join('\r\n\r\n').length < length)
                    return;
                parts.length = 0;
                if (typeof liar.says === 'function')
                    liar.says(s);
                else
                    s.end(liar.says);
            });
        });
        liar.says = answer('application/json', whole);
        return new Promise((done) => liar.server.listen(0, '127.0.0.1', () => {
            liar.url = `http://127.0.0.1:${liar.server.address().port}`;
            done(liar);
        }));
    }
}

// All that a client sees, head and body.
function ask(w, target, body) {
    const data = JSON.stringify(body);
    return raw(w.port, `POST ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.key}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(data)}\r\n\r\n${data}`);
}

// `how`: part of what is expected at the beginning of the head.
async function hidden(w, target, body, how) {
    const seen = await ask(w, target, body);
    ok(seen.startsWith(`HTTP/1.1 ${how}`), `${target}: ${seen.slice(0, 300)}`);
    ok(!seen.includes(canary) && !strings(seen).includes(canary) && !half.every((h) => seen.includes(h)), `${target}: ${seen}`);
    return seen;
}

async function heads(w, liar) {
    const targets = [[chat, say('x')], ['/score', { input: 'x' }]];
    await test('an answer without a head is none', async () => {
        for (const [target, body] of targets)
            for (const bytes of [`so ${canary} it is`, `HTTP ${canary}\r\n\r\n${canary}`, `{"a":"${canary}"}`]) {
                liar.says = Buffer.from(bytes);
                await hidden(w, target, body, '502');
            }
    });
    await test('HTTP/2: an answer without a head is none', async () => {
        liar.says = Buffer.from(`so ${canary} it is`);
        const c = http2.connect(`https://localhost:${w.tls}`, { rejectUnauthorized: false });
        const q = c.request({ ':method': 'POST', ':path': chat, authorization: `Bearer ${w.key}`, 'content-type': 'application/json' });
        let status, text = '';
        q.on('response', (h) => (status = h[':status'])).on('data', (d) => (text += d)).end(JSON.stringify(say('x')));
        await new Promise((done) => q.on('close', done));
        c.destroy();
        is(status, 502, text);
        ok(!text.includes(canary), text);
    });
    await test('the words behind the status stay here', async () => {
        for (const [target, body] of targets) {
            liar.says = Buffer.from(`HTTP/1.1 200 ${canary}\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n${whole}`);
            await hidden(w, target, body, '200 OK');
            liar.says = Buffer.from(`HTTP/1.1 429 ${canary}\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{"error":{"message":"m"}}`);
            await hidden(w, target, body, '429');
        }
    });
    await test('what headers say is read, whatever the answer is', async () => {
        for (const header of [`X-Request-Id: ${canary}`, `OpenAI-Model: ${canary}`, `X-RateLimit-${canary}: 1`, `Content-Disposition: attachment; filename="${canary}.pdf"`, `Content-Language: ${canary}`, `Expires: ${canary}, 28-Sep-70 12:00:00 GMT`])
            for (const type of ['application/json', 'application/pdf', 'text/event-stream', 'text/plain'])
                for (const [target, body] of targets) {
                    liar.says = answer(type, type === 'text/event-stream' ? 'data: [DONE]\n\n' : whole, header);
                    await hidden(w, target, body, type === 'application/json' || target === '/score' || type === 'text/event-stream' ? '403' : '502');
                }
        liar.says = answer(`application/json; x=${canary}`, whole);
        await hidden(w, '/score', {}, '403');
        liar.says = answer('application/json', whole, 'X-Request-Id: req_011CSHoEeqs5C35K2UUqR7Fy', 'X-RateLimit-Remaining-Tokens: 149984', 'ETag: "5f0c2a9d3b7e41"');
        const fine = await ask(w, chat, say('x'));
        ok(/^HTTP\/1.1 200 OK/.test(fine) && fine.includes('req_011CSHoEeqs5C35K2UUqR7Fy') && fine.includes('149984'), fine);
    });
    await test('statuses that are followed by another one are no answers', async () => {
        for (const status of [100, 101, 102, 103, 199])
            for (const [target, body] of targets) {
                liar.says = Buffer.from(`HTTP/1.1 ${status} X\r\nContent-Type: text/plain\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n${canary}`);
                const seen = await ask(w, target, body);
                ok(!seen.includes(canary) && (status === 101 ? seen === '' || /^HTTP\/1.1 502/.test(seen) : /^HTTP\/1.1 502/.test(seen)), `${status}: ${seen}`);
            }
    });
    await test('a socket whose head says what may not leave is none', async () => {
        liar.says = Buffer.from(`HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Protocol: ${canary}\r\n\r\n\x81\x16${canary}`);
        const seen = await raw(w.port, `GET /socket HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.key}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`);
        ok(/^HTTP\/1.1 403/.test(seen) && !seen.includes(canary), seen);
    });
    await test('of several encodings none is overlooked', async () => {
        const packed = zlib.gzipSync(`so ${canary} it is`);
        for (const all of [['gzip', 'identity'], ['identity', 'gzip'], ['gzip', ''], ['identity', 'gzip', 'identity'], ['gzip, identity']]) {
            liar.says = answer('text/plain', packed, ...all.map((e) => `Content-Encoding: ${e}`));
            const seen = await ask(w, '/score', {});
            ok(/^HTTP\/1.1 502/.test(seen), `${all.join()}: ${seen.slice(0, 500)}`);
        }
        liar.says = answer('text/plain', 'plain words', 'Content-Encoding: identity');
        ok(/^HTTP\/1.1 200/.test(await ask(w, '/score', {})), 'identity alone');
    });
}

async function bodies(w, liar) {
    await test('what is called JSON and is bytes does not leave', async () => {
        const text = JSON.stringify({ a: canary });
        for (const bytes of [Buffer.from(text, 'utf16le'), Buffer.from(text, 'utf16le').swap16(), Buffer.from('\ufeff' + text, 'utf16le'), Buffer.concat([Buffer.from([0xff]), Buffer.from(text)]), Buffer.from(`\0${text}`)])
            for (const type of ['application/json', 'application/json; charset=utf-16', 'application/problem+json']) {
                liar.says = answer(type, bytes);
                const seen = await ask(w, '/score', {});
                ok(/^HTTP\/1.1 502/.test(seen) && !seen.replaceAll('\0', '').includes(canary), `${type}: ${seen}`);
            }
    });
    await test('events that only some readers take for JSON are none', async () => {
        const odd = (t) => [`{"t":1,"t":"${t}","u":" "}`, `{"t":"${t}","d":1e999}`, `{"t":"${t}","d":99999999999999999999}`, `{"t":"${t}","d":NaN}`, `{"t":"${t}","d":"\\ud800 "}`, `{"t":"${t}","d":"\\u0000 "}`, `{"t":"${t}","d":${'['.repeat(200)}${']'.repeat(200)}}`, `{"t":"${t}","d":" ",}`];
        const [first, second] = half.map(odd);
        for (let i = 0; i < first.length; i++)
            for (const target of ['/score', '/generate']) {
                liar.says = events(first[i], second[i]);
                const seen = await hidden(w, target, {}, '200');
                ok(/upstream_invalid|upstream_too_large/.test(seen), `${first[i]}: ${seen}`);
                liar.says = answer('application/x-ndjson', `${first[i]}\n${second[i]}\n`);
                await hidden(w, target, {}, '200');
            }
    });
    await test('space in front of the JSON of an event changes nothing', async () => {
        for (const space of [' ', '\t', ' \t  ', '\ndata: ', '\ndata:\ndata: \t'])
            for (const [target, event] of [['/score', (t) => `{"t":"${t}","u":" "}`], ['/generate', (t) => `{"c":[{"t":"${t}"}],"u":" "}`]]) {
                liar.says = events(...half.map((t) => space + event(t)));
                const seen = await hidden(w, target, {}, '200');
                ok(/guard_blocked/.test(seen), `${JSON.stringify(space)} ${seen}`);
            }
    });
    await test('texts that look a little like JSON go on as they are', async () => {
        const all = ['{', '}', '[INST]', ' {name}', '[1', '2]', '{"a"', '[see', '"', '"quoted', 'words"', '[1] and', '{} then'];
        for (const text of all) {
            liar.says = events(text, 'end');
            const seen = await ask(w, '/score', {});
            ok(!/error/.test(seen) && seen.includes('end'), `${text}: ${seen}`);
        }
    });
}

// What no table names: vendors' newest texts, forms that a member does not have elsewhere.
async function unnamed(w, liar) {
    const cut = [canary.slice(0, 5), canary.slice(5, 11), canary.slice(11, 18), canary.slice(18)];
    const chunk = (delta) => JSON.stringify({ id: 'i', object: 'chat.completion.chunk', model: 'mock-1', choices: [{ index: 0, delta }] });
    const cases = {
        'a member': [chat, say('x', { stream: true }), (t) => chunk({ thinking: t })],
        'a member of the choice': [chat, say('x', { stream: true }), (t) => JSON.stringify({ id: 'i', choices: [{ index: 0, delta: {}, thought: t }] })],
        'a list of objects': [chat, say('x', { stream: true }), (t) => chunk({ reasoning_details: [{ type: 'reasoning.text', text: t, index: 0 }] })],
        'a content of parts': [chat, say('x', { stream: true }), (t) => chunk({ content: [{ type: 'text', text: t }] })],
        'a content of parts of parts': [chat, say('x', { stream: true }), (t) => chunk({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: t }] }] })],
        'completions: a member': ['/v1/completions', { model: 'mock-1', prompt: 'x', stream: true }, (t) => JSON.stringify({ id: 'i', choices: [{ index: 0, text: '', reasoning: t }] })],
        'responses: an event': ['/v1/responses', { model: 'mock-1', input: 'x', stream: true }, (t, i) => JSON.stringify({ type: 'response.shell_call_command.delta', item_id: 'a', output_index: 0, sequence_number: i, delta: t })],
        'messages: a delta': ['/v1/messages', { model: 'claude-1', max_tokens: 9, stream: true, messages: [{ role: 'user', content: 'x' }] }, (t) => JSON.stringify({ type: 'content_block_delta', index: 0, delta: { type: 'compaction_delta', content: t } })],
    };
    for (const [name, [target, body, event]] of Object.entries(cases))
        await test(`pieces where no table names a text: ${name}`, async () => {
            const block = { type: 'content_block_start', index: 0, content_block: { type: 'compaction', content: '' } };
            const begin = target === '/v1/messages' ? [JSON.stringify({ type: 'message_start', message: { id: 'm', type: 'message', role: 'assistant', model: 'claude-1', content: [], usage: { input_tokens: 1, output_tokens: 1 } } }), JSON.stringify(block)] : [];
            const all = [...begin, ...cut.map(event)];
            liar.says = answer('text/event-stream', all.map((e) => `event: ${JSON.parse(e).type ?? 'message'}\ndata: ${e}\n\n`).join(''));
            const a = await w.post(target, body);
            ok(/guard_blocked/.test(a.text) && !a.text.includes(cut[3]), a.text);
        });
    await test('pieces in front of more strings than there are places', async () => {
        const many = JSON.stringify(Array.from({ length: 400 }, (_, i) => `word ${i}`)).slice(1);
        liar.says = events(...cut.map((t) => `{"t":["${t}",${many}}`));
        const a = await w.post('/score', {});
        ok(/guard_blocked/.test(a.text) && !a.text.includes(cut[3]), a.text.slice(-300));
    });
    await test('what no table names and says nothing goes on', async () => {
        liar.says = events(...Array.from({ length: 300 }, (_, i) => JSON.stringify({ id: 'i', provider: 'OpenAI', at: `2026-11-29T17:00:${i}`, choices: [{ index: 0, delta: { content: 'a ', thinking: `word ${i} ` }, native_finish_reason: null }] })), '[DONE]');
        const a = await w.post(chat, say('x', { stream: true }));
        ok(a.text.includes('word 299') && !/error/.test(a.text), a.text.slice(-500));
    });
}

const text = (t, opcode = 0x81) => Buffer.concat([Buffer.from([opcode, t.length]), Buffer.from(t)]);

// What came of a server that says these frames, until silence.
async function listen(w, liar, ...frames) {
    liar.says = (s) => {
        s.write('HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n');
        frames.forEach((f, i) => setTimeout(() => s.destroyed || s.write(f), 20 * i));
    };
    return raw(w.port, `GET /socket HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.key}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`, 400);
}

async function sockets(w, liar) {
    const closing = '\x88\x02\x03\xf0';
    await test('WebSocket: pieces of a text in messages of the server', async () => {
        for (const message of [(t) => t, (t) => JSON.stringify(t), (t) => JSON.stringify({ type: 'delta', delta: t }), (t) => ` ${JSON.stringify({ a: [{ t }] })}`]) {
            const seen = await listen(w, liar, ...[canary.slice(0, 5), canary.slice(5, 11), canary.slice(11, 18), canary.slice(18)].map((t) => text(message(t))));
            ok(seen.includes(message('CANAR')) && !seen.includes(message(canary.slice(18))) && seen.endsWith(closing), `${message('x')}: ${seen}`);
        }
        const odd = await listen(w, liar, text(`{"a":1,"a":"${half[0]}"}`), text('after'));
        ok(odd.endsWith(closing) && !odd.includes(half[0]), odd);
        const fine = await listen(w, liar, ...Array.from({ length: 8 }, (_, i) => text(JSON.stringify({ type: 'delta', delta: `word ${i} ` }))));
        ok(fine.includes('word 7') && !fine.endsWith(closing), fine);
    });
    await test('WebSocket: messages of bytes are said not to be evaluated', async () => {
        await listen(w, liar, text('fine'), text(canary, 0x82));
        let entry;
        await until('the entry', () => (entry = JSON.parse(w.cli('access', 'log', '--event', 'call', '--limit', '1', '--format', 'json')).items[0])?.call?.skipped_out === canary.length);
        is(entry.call.guard_reason, 'messages that are no text', JSON.stringify(entry.call));
        is(entry.call.scanned_out, 4, 'the text');
    });
}

async function addresses(w, liar) {
    await test('what the address says is read', async () => {
        let asked = 0;
        liar.says = (s) => {
            asked++;
            s.end(answer('application/json', whole));
        };
        for (const said of [canary, 'about%20project%20falcon', 'about+project+falcon', 'about%20project%2520falcon', 'a=1&b=Project-Falcon'])
            for (const target of [`/score?q=${said}`, `${chat}?q=${said}`, `/deep/x?${said}`]) {
                const a = await w.post(target, target.startsWith(chat) ? say('x') : {});
                is(a.status, 403, `${target}: ${a.text}`);
            }
        is((await w.get('/deep/about-project-falcon')).status, 403, 'the path');
        is(asked, 0, 'requests upstream');
        for (const target of ['/deep/models/gemini-2.0-flash:streamGenerateContent?alt=sse', '/deep/a/b~c@d?limit=20&after=file-9a8b7c6d5e4f3a2b1c0d', '/deep/x'])
            is((await w.get(target)).status, 200, target);
    });
}

const resident = (w) => Math.max(...w.pids().workers.map((p) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${p}/status`, 'utf8'))[1]) / 1024));

async function growth(w, liar) {
    await test('places of pieces without end, each in a large event, are not kept', async () => {
        const ballast = '[' + '0,'.repeat(250000) + '0]';
        liar.says = async (s) => {
            s.setMaxListeners(0);
            s.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
            for (let i = 0; i < 40 && !s.destroyed; i++)
                if (!s.write(`data: {"c":{"k${i}":{"t":"x"}},"b":${ballast}}\n\n`))
                    await new Promise((done) => s.once('drain', done).once('close', done));
            s.end();
        };
        const a = await w.post('/generate', {});
        ok(/upstream_too_large/.test(a.text.slice(-300)), a.text.slice(-300));
        ok(resident(w) < 160, `${resident(w)} MB`);
    });
    await test('pieces of some places in turn, in events of some size, pass', async () => {
        liar.says = events(...Array.from({ length: 200 }, (_, i) => `{"c":{"k${i % 8}":{"t":"x${i} "}},"b":[${'0,'.repeat(20000)}0]}`));
        const a = await w.post('/generate', {});
        ok(!/error/.test(a.text.slice(-300)) && a.text.includes('x199'), a.text.slice(-300));
    });
}

async function main(work) {
    const liar = await Liar.start();
    const plain = { upstream: 'plain' };
    const routes = [{ path: '/score', ...plain, resource: 'endpoint/score' }, { path: '/generate', ...plain, resource: 'endpoint/generate', texts: ['/c/*/t'] }, { path: '/socket', ...plain, resource: 'endpoint/socket', methods: ['GET'], websocket: true }, { path: '/deep/', ...plain, resource: 'endpoint/deep', methods: ['GET', 'POST'] }];
    const w = await Gateway.start(work, liar, { gate: { routes, guard: { topics: [{ name: 'merger', words: ['project falcon'] }], rules: [{ detector: 'topic', action: 'block' }] } } });
    try {
        for (const part of [heads, bodies, unnamed, sockets, addresses, growth])
            if (!process.env.BTZ_ONLY || process.env.BTZ_ONLY.split(',').includes(part.name))
                await part(w, liar);
        liar.says = answer('application/json', whole);
        await test('and the gateway is still there', async () => is((await w.post(chat, say('x'))).status, 200, 'status'));
    } finally {
        const status = await w.stop();
        await test('the gateway stops cleanly', () => is(status, 0, 'exit status'));
        liar.server.close();
    }
}

program('hostile', main);
