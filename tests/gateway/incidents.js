// Classes of incidents that other gateways had: each must fail safely here. TAP on stdout.
'use strict';
const fs = require('fs');
const net = require('net');
const path = require('path');
const { test, is, ok } = require('../browser/tap.js');
const { program, Mock, Gateway, request, raw, canary, upstreamKey } = require('./world.js');
const { strings } = require('./lanes.js');

const say = (content = 'Please answer.') => ({ model: 'mock-1', messages: [{ role: 'user', content }] });
const chat = '/v1/chat/completions';
const secret = ['AKIA', 'Q3EGWZTN5JPK7XVB'].join(''); // of nobody; a canary may stand in a system prompt, this may not
const refused = (a, what) => ok(a.status >= 400 && a.status < 500, `${what}: status ${a.status}: ${a.text.slice(0, 200)}`);

// A server that nobody should ever come to.
class Trap {
    static start() {
        const trap = new Trap();
        trap.came = 0;
        trap.server = net.createServer((s) => {
            trap.came++;
            s.destroy();
        });
        return new Promise((done) => trap.server.listen(0, '127.0.0.1', () => {
            trap.host = `127.0.0.1:${trap.server.address().port}`;
            trap.url = `http://${trap.host}`;
            done(trap);
        }));
    }
}

async function upstreams(w, trap) {
    const headers = ['x-portkey-custom-host', 'x-portkey-provider', 'x-forwarded-host', 'x-forwarded-server', 'x-original-host', 'x-host', 'x-real-host', 'x-upstream', 'x-upstream-url', 'x-target-url', 'x-base-url', 'api-base', 'openai-base-url',
        'anthropic-base-url', 'x-bf-base-url', 'x-litellm-api-base', 'x-proxy-url', 'x-original-url', 'x-rewrite-url', 'x-accel-redirect', 'x-http-host-override', 'forwarded', 'destination', 'x-envoy-original-dst-host', 'x-ai-eg-model'];
    await test('nobody but the configuration chooses the upstream: headers', async () => {
        await w.mock.seen();
        for (const name of headers)
            await w.post(chat, say(), { headers: { [name]: name === 'forwarded' ? `host=${trap.host}` : trap.url } });
        await w.post(chat, say(), { headers: Object.fromEntries(headers.map((h) => [h, trap.host])) });
        is(trap.came, 0, 'connections to the trap');
        const all = await w.mock.seen();
        ok(all.length > 0, 'none was forwarded: the test proves nothing');
        for (const q of all)
            is(q.all('host').join(), `127.0.0.1:${w.mock.port}`, 'host');
        ok(all.every((q) => q.line.startsWith(`POST ${chat} `)), all.map((q) => q.line).join());
    });
    await test('nobody but the configuration chooses the upstream: members of the body', async () => {
        for (const name of ['api_base', 'base_url', 'baseURL', 'api_url', 'url', 'endpoint', 'host', 'proxy', 'custom_llm_provider', 'provider', 'azure_endpoint', 'vertex_location', 'aws_bedrock_runtime_endpoint', 'api_key', 'upstream', 'model_list', 'fallbacks', 'mock_response'])
            for (const value of [trap.url, { url: trap.url }, [trap.url]])
                await w.post(chat, { ...say(), [name]: value, metadata: { [name]: value } });
        for (const model of [`openai/${trap.url}`, trap.url, `mock-1@${trap.host}`, `mock-1?api_base=${trap.url}`, `mock/../../${trap.host}/`, '//' + trap.host])
            await w.post(chat, { ...say(), model });
        is(trap.came, 0, 'connections to the trap');
    });
    await test('nobody but the configuration chooses the upstream: the target of the request', async () => {
        const body = JSON.stringify(say());
        for (const target of [`${trap.url}${chat}`, `//${trap.host}${chat}`, `http://127.0.0.1:${w.mock.port}${chat}`, `${chat}?host=${trap.host}&api_base=${trap.url}`, `@${trap.host}${chat}`, `/proxy/${trap.url}/`, `${trap.host}`])
            for (const method of ['POST', 'CONNECT'])
                await raw(w.port, `${method} ${target} HTTP/1.1\r\nHost: ${trap.host}\r\nAuthorization: Bearer ${w.key}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
        is(trap.came, 0, 'connections to the trap');
    });
    await test('what an upstream says in its headers moves neither nginx nor the browser', async () => {
        const a = await w.post(chat, say('mock:evil;'));
        for (const name of ['x-accel-redirect', 'x-accel-buffering', 'x-accel-limit-rate', 'set-cookie', 'refresh', 'x-upstream-secret'])
            ok(!(name in a.headers), `${name}: ${a.headers[name]}`);
        is(a.json?.choices?.[0]?.message?.content, 'Hello from the mock.', 'the answer itself');
    });
    await test('hop-by-hop headers end here, credentials of clients too', async () => {
        await w.mock.seen();
        await raw(w.port, `POST ${chat} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: ${w.key}\r\nCookie: session=secret-of-client\r\nProxy-Authorization: Basic c2VjcmV0\r\nTE: trailers\r\nKeep-Alive: timeout=5\r\nX-Hop: secret-hop\r\nX-Bartizan-Address: 6.6.6.6\r\nAuthorization: Bearer ${w.key}\r\nConnection: close, X-Hop\r\nContent-Type: application/json\r\nContent-Length: ${JSON.stringify(say()).length}\r\n\r\n${JSON.stringify(say())}`);
        await w.post(chat, say(), { key: '', headers: { 'api-key': w.key, 'x-goog-api-key': 'other-secret' } });
        const all = await w.mock.seen();
        ok(all.length >= 1, 'nothing was forwarded');
        for (const q of all) {
            const text = JSON.stringify(q.headers);
            for (const secret of [w.key, 'secret-of-client', 'c2VjcmV0', 'secret-hop', '6.6.6.6', 'other-secret'])
                ok(!text.includes(secret), `${secret} went upstream: ${text}`);
            for (const name of ['te', 'keep-alive', 'proxy-authorization', 'cookie', 'x-hop', 'x-api-key', 'api-key'])
                is(q.all(name).length, 0, name);
            is(q.all('authorization').join(), `Bearer ${upstreamKey}`, 'authorization');
        }
    });
}

async function keys(w) {
    await test('a hostile key is a wrong key, whatever is in it', async () => {
        await w.mock.seen();
        const bad = ["' OR '1'='1", "btz_x' UNION SELECT secret FROM keys--", "btz_'; DROP TABLE keys;--", '%s%s%s%n%n', 'btz_%n%x', '${jndi:ldap://127.0.0.1/}', '{{7*7}}', '../../../etc/passwd', 'btz_' + 'A'.repeat(3000), 'btz_', '', 'null', 'undefined', '*', 'btz_\u00ff\u00fe', w.key.slice(0, -1), w.key + 'x', w.key.toUpperCase(), ` ${w.key.slice(4)}`, 'Bearer ' + w.key.slice(1), '0', 'true'];
        for (const key of bad)
            for (const headers of [{ Authorization: `Bearer ${key}` }, { Authorization: key }, { Authorization: `Basic ${Buffer.from(`x:${key}`).toString('base64')}` }, { 'x-api-key': key }, { 'api-key': key }, { Cookie: `__Host-bartizan=${encodeURIComponent(key)}` }]) {
                const a = await w.post(chat, say(), { key: '', headers });
                ok([400, 401, 429, 431, 494].includes(a.status) || (headers.Cookie && a.status === 403), `${JSON.stringify(headers).slice(0, 80)}: ${a.status} ${a.text.slice(0, 100)}`);
                ok(!/sql|sqlite|syntax|stack|\.c:/i.test(a.text), a.text);
            }
        for (const bytes of ['btz_\0', 'btz_\x01', 'x'.repeat(100000)])
            await raw(w.port, `POST ${chat} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${bytes}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`, 500);
        is((await w.mock.seen()).length, 0, 'requests upstream');
        is((await w.post(chat, say())).status, 200, 'the right key still works');
    });
    await test('a key twice, or two different ones, is not guessed about', async () => {
        const lines = (h) => `POST ${chat} HTTP/1.1\r\nHost: localhost\r\n${h}Content-Type: application/json\r\nContent-Length: ${JSON.stringify(say()).length}\r\nConnection: close\r\n\r\n${JSON.stringify(say())}`;
        for (const h of [`Authorization: Bearer btz_wrong\r\nAuthorization: Bearer ${w.key}\r\n`, `Authorization: Bearer ${w.key}\r\nAuthorization: Bearer btz_wrong\r\n`]) {
            const a = await raw(w.port, lines(h));
            ok(/^HTTP\/1\.1 (400|401)/.test(a), a.slice(0, 100));
        }
    });
}

async function spawning(w) {
    await test('nothing in a body starts a process', async () => {
        const marker = path.join(w.dir, 'spawned');
        const before = JSON.stringify(w.pids());
        const config = { command: '/bin/sh', args: ['-c', `touch ${marker}`], env: {}, transport: 'stdio', type: 'stdio' };
        for (const target of ['/mcp/words', '/mcp/test', '/mcp-rest/test/connection', '/mcp-rest/test/tools/list', '/v1/mcp/server', '/mcp', chat, '/v1/responses'])
            for (const body of [config, { mcpServers: { x: config } }, { ...say(), input: 'x', tools: [{ type: 'mcp', server_label: 'x', ...config, server_url: `file://${marker}` }] }, { jsonrpc: '2.0', id: 1, method: 'initialize', params: config, ...config }])
                await w.post(target, body);
        ok(!fs.existsSync(marker), 'a command was run');
        is(JSON.stringify(w.pids()), before, 'processes');
    });
}

async function hosts(w) {
    await test('the Host header opens nothing', async () => {
        await w.mock.seen();
        const lines = (host, target, more = '') => raw(w.port, `GET ${target} HTTP/1.1\r\n${host}${more}Connection: close\r\n\r\n`, 800);
        for (const host of ['Host: evil.test\r\n', 'Host: localhost/v1/health?\r\n', 'Host: localhost#\r\n', 'Host: a@localhost\r\n', 'Host: localhost\r\nHost: evil.test\r\n', 'Host: \r\n', '', 'Host: [::1\r\n', 'Host: localhost:99999\r\n', 'Host: ../../\r\n', 'Host : localhost\r\n', 'Host: localhost\r\nX-Forwarded-Host: admin\r\n'])
            for (const target of ['/v1/users', '/v1/keys', '/v1/models', '/v1/files', '/metrics', '/', 'http://localhost/v1/users', 'http://admin/v1/models']) {
                const a = await lines(host, target, 'X-Bartizan-Local: 1\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\n');
                ok(a === '' || /^HTTP\/1\.[01] (400|401|403|404|405|421|429)/.test(a), `${JSON.stringify(host)} ${target}: ${a.slice(0, 120)}`);
            }
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
    await test('the administration is not on the plain listener', async () => {
        for (const target of ['/v1/users', '/v1/keys', '/v1/policies', '/v1/sign-in', '/sign-in', '/', '/account', '/assets/webauthn.js', '/v1/sessions'])
            for (const method of ['GET', 'POST']) {
                const a = await request(w.port, target, { method, headers: { ...w.auth(), 'X-Bartizan-Local': '1' }, body: method === 'POST' ? {} : undefined });
                ok([401, 403, 404, 405].includes(a.status), `${method} ${target}: ${a.status} ${a.text.slice(0, 100)}`);
            }
    });
}

async function smuggling(w) {
    const second = '{"model":"mock-1","messages":[{"role":"user","content":"SMUG"}]}';
    const smuggled = `POST ${chat} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.key}\r\nContent-Type: application/json\r\nContent-Length: ${second.length}\r\n\r\n${second}`;
    const start = (headers) => `POST ${chat} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.key}\r\nContent-Type: application/json\r\n${headers}\r\n`;
    const n = Buffer.byteLength(smuggled);
    const body = JSON.stringify(say());
    const chunk = (s) => `${s.length.toString(16)}\r\n${s}\r\n`;
    const cases = {
        'CL.TE': start(`Content-Length: ${5 + n}\r\nTransfer-Encoding: chunked\r\n`) + '0\r\n\r\n' + smuggled,
        'TE.CL': start('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n') + chunk(smuggled) + '0\r\n\r\n',
        'two lengths': start(`Content-Length: 2\r\nContent-Length: ${2 + n}\r\n`) + '{}' + smuggled,
        'two equal lengths': start(`Content-Length: ${body.length}\r\nContent-Length: ${body.length}\r\n`) + body,
        'length list': start(`Content-Length: 2, ${2 + n}\r\n`) + '{}' + smuggled,
        'length with plus': start('Content-Length: +2\r\n') + '{}' + smuggled,
        'negative length': start('Content-Length: -1\r\n') + smuggled,
        'hexadecimal length': start('Content-Length: 0x2\r\n') + '{}' + smuggled,
        'length with blanks': start('Content-Length: 2 2\r\n') + '{}' + smuggled,
        'enormous length': start('Content-Length: 18446744073709551618\r\n') + '{}' + smuggled,
        'unknown coding': start(`Content-Length: 2\r\nTransfer-Encoding: xchunked\r\n`) + '{}' + smuggled,
        'coding with a blank before the colon': start('Content-Length: 2\r\nTransfer-Encoding : chunked\r\n') + '{}' + smuggled,
        'coding with a tab': start('Content-Length: 2\r\nTransfer-Encoding:\tchunked\r\n') + '{}' + smuggled,
        'two codings': start('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n') + '0\r\n\r\n' + smuggled,
        'chunked twice': start('Transfer-Encoding: chunked, chunked\r\n') + '0\r\n\r\n' + smuggled,
        'coding in quotes': start('Content-Length: 2\r\nTransfer-Encoding: "chunked"\r\n') + '{}' + smuggled,
        'coding with underscore': start('Content-Length: 2\r\nTransfer_Encoding: chunked\r\n') + '{}' + smuggled.replaceAll('SMUG', 'pipelined'),
        'folded header': start('X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 2\r\n') + '{}' + smuggled,
        'folded length': start('Content-Length:\r\n 2\r\n') + '{}' + smuggled,
        'NUL in a header': start('X-A: a\0b\r\nContent-Length: 2\r\n') + '{}' + smuggled,
        'bare carriage return': start('X-A: a\rTransfer-Encoding: chunked\r\nContent-Length: 2\r\n') + '{}' + smuggled,
        'chunk of wrong size': start('Transfer-Encoding: chunked\r\n') + '2\r\n{}XX\r\n0\r\n\r\n' + smuggled,
        'chunk size too large': start('Transfer-Encoding: chunked\r\n') + 'fffffffffffffffff\r\n{}\r\n0\r\n\r\n' + smuggled,
        'negative chunk size': start('Transfer-Encoding: chunked\r\n') + '-2\r\n{}\r\n0\r\n\r\n' + smuggled,
        'chunk extension with a line feed': start('Transfer-Encoding: chunked\r\n') + '2;a=b\nxx\r\n{}\r\n0\r\n\r\n' + smuggled,
        'HTTP/1.0 with chunks': start('Content-Length: 2\r\nTransfer-Encoding: chunked\r\n').replace('HTTP/1.1', 'HTTP/1.0') + '0\r\n\r\n' + smuggled,
        'HTTP/0.9': `GET ${chat}\r\n` + smuggled,
        'no blank in the request line': `POST${chat} HTTP/1.1\r\nHost: localhost\r\n\r\n` + smuggled,
        'line feed in the target': `POST ${chat}\nX: y HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n` + smuggled,
        'a body of GET': `GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.key}\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n` + smuggled,
    };
    for (const [name, bytes] of Object.entries(cases))
        await test(`request smuggling: ${name}`, async () => {
            await w.mock.seen();
            const a = await raw(w.port, Buffer.from(bytes, 'latin1'), 400);
            const all = await w.mock.seen();
            // What stands behind a request whose end is plain may be a request of its own (pipelining): it is judged as one. What must not be is
            // that gateway and upstream see different ends, so a request is forwarded without its answer coming from here.
            const answers = (a.match(/^HTTP\/1\.[01] \d/gm) ?? []).length;
            ok(all.length <= answers, `${all.length} requests upstream for ${answers} answers`);
            for (const q of all) {
                ok(q.line === `POST ${chat} HTTP/1.1` || q.line === 'GET /v1/models HTTP/1.1', q.line);
                is(q.all('content-length').length + q.all('transfer-encoding').length, 1, `framings of what goes upstream (${JSON.stringify(q.headers)})`);
                ok(!q.body.includes('HTTP/1.1'), 'a request within a body went upstream');
            }
            ok(!/two|twice|list|plus|negative|hexadecimal|enormous|NUL|wrong|TE\.|\.TE|blank|return|quotes|unknown/.test(name) || name === 'two equal lengths' || /^HTTP\/1\.[01] (4|5)/.test(a) || a === '' || name.startsWith('coding with'), `answered ${a.slice(0, 60)}`);
        });
}

async function sizes(w) {
    await test('bodies over the limit are refused before they are read', async () => {
        await w.mock.seen();
        const a = await raw(w.port, `POST ${chat} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.key}\r\nContent-Type: application/json\r\nContent-Length: 900000000\r\n\r\n{`, 1500);
        ok(/^HTTP\/1\.1 413/.test(a), a.slice(0, 100));
        const big = await w.post(chat, say('x'.repeat(5 << 20))).catch((error) => ({ status: 413, error }));
        is(big.status, 413, 'five megabytes against a limit of four');
        const chunks = ['10000\r\n' + 'x'.repeat(65536) + '\r\n'].join('').repeat(80);
        const b = await raw(w.port, [`POST ${chat} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.key}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`, chunks], 2500);
        ok(b === '' || /^HTTP\/1\.1 413/.test(b), b.slice(0, 100));
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
    await test('a large body is scanned whole, also where it does not fit into memory buffers', async () => {
        const pad = 'A harmless line of text that goes on. '.repeat(60000);
        await w.mock.seen();
        refused(await w.post(chat, say(`${pad} ${canary}`)), 'at the end');
        refused(await w.post(chat, say(`${canary} ${pad}`)), 'at the beginning');
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
    await test('deep, wide and broken JSON is refused', async () => {
        await w.mock.seen();
        const deep = (n) => `{"model":"mock-1","messages":[{"role":"user","content":${'['.repeat(n)}${']'.repeat(n)}}]}`;
        for (const body of [deep(100000), '['.repeat(1000000), '{"a":'.repeat(50000), '{"model":"mock-1"', '', 'null', '[]', '"x"', '{"model":"mock-1","messages":[{"role":"user","content":"\ud800"}]}'.replace('\ud800', '\\ud800'),
            Buffer.from('{"model":"mock-1","messages":[{"role":"user","content":"\xff\xfe"}]}', 'latin1'), JSON.stringify(say()) + 'x', JSON.stringify(say()) + JSON.stringify(say()), '\ufeff' + JSON.stringify(say()), `{"model":"mock-1","max_tokens":1e999,"messages":[]}`]) {
            const a = await w.post(chat, body);
            refused(a, String(body).slice(0, 60));
        }
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
    await test('compressed requests are refused: nothing is unpacked, nothing goes by unread', async () => {
        await w.mock.seen();
        const zlib = require('zlib');
        const bomb = zlib.gzipSync(Buffer.alloc(50 << 20, 32));
        for (const [coding, body] of [['gzip', bomb], ['gzip', zlib.gzipSync(JSON.stringify(say(canary)))], ['deflate', zlib.deflateSync(JSON.stringify(say(canary)))], ['br', zlib.brotliCompressSync(JSON.stringify(say(canary)))], ['zstd', 'x'], ['identity, gzip', bomb], ['x-gzip', bomb], ['GZIP', bomb]]) {
            const a = await w.post(chat, body, { headers: { 'Content-Encoding': coding } });
            ok([400, 415].includes(a.status), `${coding}: ${a.status} ${a.text.slice(0, 100)}`);
        }
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
    await test('two hundred slow clients hold nobody up', async () => {
        const slow = [];
        for (let i = 0; i < 200; i++) {
            const s = net.connect(w.port, '127.0.0.1');
            s.on('error', () => {});
            s.write(i % 2 ? `POST ${chat} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.key}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{` : 'POST /v1/chat');
            slow.push(s);
        }
        const began = Date.now();
        for (let i = 0; i < 20; i++)
            is((await w.post(chat, say())).status, 200, 'status');
        ok(Date.now() - began < 4000, `20 requests took ${Date.now() - began} ms`);
        slow.forEach((s) => s.destroy());
        const conf = fs.readFileSync(path.join(w.state, 'gate/nginx.conf'), 'utf8');
        for (const limit of ['client_header_timeout', 'client_body_timeout', 'send_timeout'])
            ok(new RegExp(`${limit}\\s+\\d+`).test(conf), `${limit} is not set`);
    });
}

async function weakening(w) {
    await test('no client turns the guard off', async () => {
        await w.mock.seen();
        for (const header of ['X-Bartizan-Guard', 'X-Bartizan-Mode', 'X-Guardrails', 'X-Portkey-Config', 'X-Disable-Guard', 'X-Litellm-Disable-Guardrails', 'X-Bartizan-Audit', 'X-Bf-Guardrails'])
            for (const value of ['off', 'none', '{}', 'false', 'observe', 'not-evaluated'])
                refused(await w.post(chat, say(canary), { headers: { [header]: value } }), `${header}: ${value}`);
        for (const more of [{ guardrails: [] }, { guardrails: null }, { disable_global_guardrail: true }, { metadata: { guard: 'off', guardrails: { 'hide-secrets': false }, disable: true } }, { guard: false }, { bartizan: { guard: 'off' } }, { user: 'admin' }])
            refused(await w.post(chat, { ...say(canary), ...more }), JSON.stringify(more));
        refused(await w.post(`${chat}?guard=off&bartizan=off`, say(canary)), 'query');
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
    await test('the answer says that the guard ran', async () => {
        const a = await w.post(chat, say());
        const found = Object.entries(a.headers).find(([n]) => /^x-bartizan-guard$/.test(n));
        ok(found && /^evaluated|window/.test(found[1]), JSON.stringify(a.headers));
    });
    await test('duplicate members are refused: nobody reads them otherwise', async () => {
        await w.mock.seen();
        for (const body of ['{"model":"mock-1","model":"secret-model","messages":[]}', '{"model":"mock-1","mo\\u0064el":"secret-model","messages":[]}', `{"model":"mock-1","messages":[{"role":"user","content":"x","content":"${canary}"}]}`, '{"model":"mock-1","messages":[],"messages":[{"role":"user","content":"x"}]}', '{"model":"mock-1","stream":false,"stream":true,"messages":[]}', '{"model":"mock-1","messages":[],"tools":[{"type":"function","type":"x"}]}'])
            refused(await w.post(chat, body), body);
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
    await test('members in other cases are not the members', async () => {
        const a = await w.post(chat, { ...say(), Model: 'secret-model', MODEL: 'secret-model' });
        const [q] = await w.mock.seen();
        ok(a.status !== 200 || JSON.parse(q.body).model === 'mock-1', 'the other model was asked');
    });
    await test('what is hidden is seen: characters nobody sees, escapes, other content types', async () => {
        await w.mock.seen();
        const spread = [...canary].join('\u200b');
        const tags = [...canary].map((c) => String.fromCodePoint(0xe0000 + c.charCodeAt(0))).join('');
        const wide = [...canary].map((c) => (/[!-~]/.test(c) ? String.fromCodePoint(c.charCodeAt(0) + 0xfee0) : c)).join('');
        for (const text of [spread, wide, Buffer.from(`the word is ${canary} you know`).toString('base64'), encodeURIComponent(canary).replace(/[a-z]/g, (c) => '%' + c.charCodeAt(0).toString(16)), `x${tags}`.slice(0, 0) + spread])
            refused(await w.post(chat, say(`look: ${text} .`)), text);
        const escapedText = JSON.stringify(say('@')).replace('@', [...canary].map((c) => '\\u00' + c.charCodeAt(0).toString(16)).join(''));
        refused(await w.post(chat, escapedText), 'escaped');
        for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-16', 'application/vnd.api+json', 'multipart/form-data; boundary=x', 'APPLICATION/JSON'])
            refused(await w.post(chat, say(canary), { headers: { 'Content-Type': type } }), type);
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
    await test('no place of a request is forgotten', async () => {
        await w.mock.seen();
        const messages = (m) => ({ model: 'mock-1', messages: [m] });
        const png = 'data:image/png;base64,iVBORw0KGgo=';
        for (const body of [messages({ role: 'system', content: secret }), messages({ role: 'developer', content: [{ type: 'text', text: secret }] }), messages({ role: 'user', content: [{ type: 'image_url', image_url: { url: png } }, { type: 'text', text: canary }] }), messages({ role: 'assistant', content: null, tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: JSON.stringify({ a: canary }) } }] }),
            messages({ role: 'tool', tool_call_id: '1', content: canary }), messages({ role: 'user', name: 'x', content: canary }), { ...say(), tools: [{ type: 'function', function: { name: 'f', description: canary, parameters: { type: 'object' } } }] }, { ...say(), tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: { a: { description: canary } } } } }] }])
            refused(await w.post(chat, body), JSON.stringify(body).slice(0, 100));
        for (const [target, body] of [['/v1/embeddings', { model: 'mock-1', input: ['a', canary] }], ['/v1/completions', { model: 'mock-1', prompt: [canary] }], ['/v1/responses', { model: 'mock-1', instructions: secret, input: 'x' }], ['/v1/responses', { model: 'mock-1', input: [{ role: 'user', content: [{ type: 'input_text', text: canary }] }] }], ['/v1/responses', { model: 'mock-1', input: [{ type: 'function_call_output', call_id: 'x', output: canary }] }],
            ['/v1/messages', { model: 'claude-1', max_tokens: 9, system: [{ type: 'text', text: secret }], messages: [{ role: 'user', content: 'x' }] }], ['/v1/messages', { model: 'claude-1', max_tokens: 9, messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'x', content: [{ type: 'text', text: canary }] }] }] }], ['/v1/moderations', { model: 'mock-1', input: canary }], ['/v1/images/generations', { model: 'mock-1', prompt: canary }], ['/v1/audio/speech', { model: 'mock-1', voice: 'x', input: canary }],
            ['/api/chat', { model: 'llama-1', messages: [{ role: 'user', content: canary }] }], ['/api/generate', { model: 'llama-1', system: secret, prompt: 'x' }], ['/api/embed', { model: 'llama-1', input: [canary] }], ['/score', { a: { b: canary } }], ['/mcp/words', { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'lookup', arguments: { q: canary } } }]])
            refused(await w.post(target, body), `${target} ${JSON.stringify(body).slice(0, 80)}`);
        const part = (name, value, more = '') => `--x\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
        const upload = part('purpose', 'batch') + part('file', `{"a":"${canary}"}`, '; filename="a.jsonl"');
        refused(await w.post('/v1/files', upload + '--x--\r\n', { headers: { 'Content-Type': 'multipart/form-data; boundary=x' } }), 'a file');
        const up = (await w.mock.seen()).filter((q) => q.body.includes(canary) || q.body.includes(secret));
        is(up.length, 0, `requests upstream with it: ${up.map((q) => q.line).join()}`);
    });
    await test('answers of other routes are guarded too', async () => {
        const n = await w.mock.say(`so ${canary} it is`);
        for (const [target, method, body] of [[`/v1/files/file-x/content?mock:say=${n};`, 'GET'], ['/v1/audio/transcriptions', 'POST', `--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nmock-1\r\n--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nmock:say=${n};\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--x--\r\n`], ['/score', 'POST', { input: `mock:say=${n},kind=j;` }], ['/mcp/words', 'POST', { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'lookup', arguments: { q: `mock:say=${n};` } } }]]) {
            const a = await request(w.port, target, { method, body, headers: { ...w.auth(), ...(typeof body === 'string' && body ? { 'Content-Type': 'multipart/form-data; boundary=x' } : {}) } });
            // Bytes that nobody calls text pass, and are said not to be evaluated.
            const passed = /octet-stream/.test(a.headers['content-type']) && /^not-evaluated/.test(a.headers['x-bartizan-guard']);
            ok(passed || (!a.text.includes(canary) && !strings(a.text).includes(canary)), `${target}: ${a.status} ${a.headers['x-bartizan-guard']} ${a.text.slice(0, 200)}`);
        }
    });
}

async function unknown(w) {
    await test('unknown routes are denied', async () => {
        await w.mock.seen();
        for (const target of ['/v1/nothing', '/v1/chat', '/v1/chat/completions/', '/v1/chat/completions/x', '//v1/chat/completions', '/v1//chat/completions', '/v1/./chat/completions', '/v1/x/../chat/completions', '/v1/%63hat/completions', '/V1/chat/completions', '/v1/chat/completions%00', '/v1/chat/completions;a=b', '/v1/chat/completions%2f', '/v1/chat\\completions', '/v1/files/../chat/completions', '/v1/files/..%2fx', '/v1/engines/mock/completions', '/openai/deployments/mock/chat/completions', '/v1/fine_tuning/jobs', '/v1/assistants', '/admin', '/score/x', '/scorex', '/api/pull', '/api/push', '/api/create', '/api/delete', '/api/copy', '/mcp/other', '/mcp/words/x', '/mcp/', '/.git/config', '/v1/files/' + 'x'.repeat(200)])
            for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'PROPFIND']) {
                const a = await raw(w.port, `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.key}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`, 800);
                ok(/^HTTP\/1\.[01] (400|403|404|405|414|501)/.test(a), `${method} ${target}: ${a.slice(0, 100)}`);
            }
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
    await test('known routes take their own methods only', async () => {
        await w.mock.seen();
        for (const [method, target] of [['GET', chat], ['PUT', chat], ['DELETE', chat], ['PATCH', '/v1/messages'], ['DELETE', '/v1/models'], ['PUT', '/v1/files'], ['POST', '/v1/models'], ['GET', '/score'], ['TRACE', chat], ['CONNECT', chat]]) {
            const a = await raw(w.port, `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.key}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`, 800);
            ok(/^HTTP\/1\.[01] (400|403|404|405|501)/.test(a), `${method} ${target}: ${a.slice(0, 100)}`);
        }
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
}

// docs/access-roles.md, by hand: who may do what.
const roles = ['viewer', 'user', 'ml-engineer', 'data-steward', 'red-teamer', 'auditor', 'operator', 'admin'];
const may = { 'model.invoke': ['user', 'ml-engineer', 'red-teamer'], 'endpoint.use': ['user', 'ml-engineer', 'red-teamer'], 'model.list': roles };
const multipart = (...parts) => parts.map(([n, v, f]) => `--x\r\nContent-Disposition: form-data; name="${n}"${f ? `; filename="${f}"` : ''}\r\n\r\n${v}\r\n`).join('') + '--x--\r\n';
const table = [
    ['POST', chat, 'model.invoke', say()], ['POST', '/v1/completions', 'model.invoke', { model: 'mock-1', prompt: 'x' }], ['POST', '/v1/responses', 'model.invoke', { model: 'mock-1', input: 'x' }], ['POST', '/v1/embeddings', 'model.invoke', { model: 'mock-1', input: 'x' }],
    ['POST', '/v1/moderations', 'model.invoke', { model: 'mock-1', input: 'x' }], ['POST', '/v1/images/generations', 'model.invoke', { model: 'mock-1', prompt: 'x' }], ['POST', '/v1/audio/speech', 'model.invoke', { model: 'mock-1', input: 'x', voice: 'x' }], ['POST', '/v1/audio/transcriptions', 'model.invoke', multipart(['model', 'mock-1'], ['file', 'RIFF', 'a.wav'])],
    ['POST', '/v1/messages', 'model.invoke', { model: 'claude-1', max_tokens: 9, messages: [{ role: 'user', content: 'x' }] }], ['POST', '/v1/messages/count_tokens', 'model.invoke', { model: 'claude-1', messages: [{ role: 'user', content: 'x' }] }],
    ['POST', '/api/chat', 'model.invoke', { model: 'llama-1', messages: [{ role: 'user', content: 'x' }] }], ['POST', '/api/generate', 'model.invoke', { model: 'llama-1', prompt: 'x' }], ['POST', '/api/embed', 'model.invoke', { model: 'llama-1', input: 'x' }],
    ['POST', '/v1/images/edits', 'model.invoke', multipart(['model', 'mock-1'], ['prompt', 'x'], ['image', 'PNG', 'a.png'])], ['POST', '/v1/images/variations', 'model.invoke', multipart(['model', 'mock-1'], ['image', 'PNG', 'a.png'])], ['POST', '/v1/audio/translations', 'model.invoke', multipart(['model', 'mock-1'], ['file', 'RIFF', 'a.wav'])],
    ['POST', '/api/embeddings', 'model.invoke', { model: 'llama-1', prompt: 'x' }], ['POST', '/api/show', 'model.invoke', { model: 'llama-1' }], ['GET', '/v1/models/mock-1', 'model.list'], ['GET', '/api/version', 'model.list'],
    ['GET', '/v1/models', 'model.list'], ['GET', '/api/tags', 'model.list'],
    ['POST', '/v1/files', 'endpoint.use', multipart(['purpose', 'batch'], ['file', '{}', 'a.jsonl'])], ['GET', '/v1/files', 'endpoint.use'], ['GET', '/v1/files/file-1', 'endpoint.use'], ['GET', '/v1/files/file-1/content', 'endpoint.use'], ['DELETE', '/v1/files/file-1', 'endpoint.use'],
    ['POST', '/v1/batches', 'endpoint.use', { input_file_id: 'file-1', endpoint: chat, completion_window: '24h' }], ['GET', '/v1/batches', 'endpoint.use'], ['GET', '/v1/batches/batch_1', 'endpoint.use'], ['POST', '/v1/batches/batch_1/cancel', 'endpoint.use', ''], ['POST', '/score', 'endpoint.use', { a: 'x' }],
];

async function permissions(w) {
    await test('the table of routes names every route there is', () => {
        const source = fs.readFileSync(path.join(process.env.BTZ_SOURCE, 'src/gate/route.c'), 'utf8');
        const routes = [...source.matchAll(/\{ "[a-z-]+", "([A-Z]+)", "([^"]+)",/g)];
        ok(routes.length > 25, `${routes.length} routes found`);
        for (const [, method, shape] of routes) {
            const fits = new RegExp('^' + shape.replace('{id}', '[^/]+') + '$');
            ok(table.some(([m, t]) => m === method && fits.test(t)), `${method} ${shape} is not in the table`);
        }
    });
    for (const role of roles)
        await test(`every route for the role ${role}: as the policy says`, async () => {
            const key = w.service(`r-${role}`, [role]);
            for (const [method, target, action, body] of table) {
                await w.mock.seen();
                const a = await request(w.port, target, { method, body, headers: { ...w.auth(key), ...(typeof body === 'string' && body ? { 'Content-Type': 'multipart/form-data; boundary=x' } : {}) } });
                const allowed = may[action].includes(role);
                // Whoever may list models sees those that he may use; files and batches are of who made them.
                const wanted = !allowed ? 403 : (target.startsWith('/v1/models/') && !may['model.invoke'].includes(role)) || /file-1|batch_1/.test(target + JSON.stringify(body)) ? 404 : 200;
                is(a.status, wanted, `${method} ${target} (${a.text.slice(0, 160)})`);
                if (!allowed)
                    is((await w.mock.seen()).length, 0, `${target}: requests upstream`);
            }
        });
    await test('nobody is nobody on every route', async () => {
        await w.mock.seen();
        for (const [method, target, , body] of table)
            ok([401, 429].includes((await request(w.port, target, { method, body, headers: typeof body === 'string' && body ? { 'Content-Type': 'multipart/form-data; boundary=x' } : {} })).status), `${method} ${target}`);
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
    await test('keys of administrators have limits too', async () => {
        const key = w.service('boss', ['admin', 'user']);
        is((await w.post(chat, say(), { key })).status, 200, 'the first');
        is((await w.post(chat, say(), { key })).status, 429, 'the second');
    });
}

async function main(work) {
    const mock = await Mock.start();
    const trap = await Trap.start();
    const w = await Gateway.start(work, mock, { gate: { body_max: 4 << 20, guard: { rules: [{ detector: 'secret', channels: ['system'], action: 'block' }] }, limits: [{ each: 'principal', name: 'boss', requests_per_minute: 1 }] } });
    try {
        for (const part of [upstreams, keys, spawning, hosts, smuggling, sizes, weakening, unknown, permissions])
            if (!process.env.BTZ_ONLY || process.env.BTZ_ONLY.split(',').includes(part.name))
                await part(w, trap);
        await test('and the gateway is still there', async () => is((await w.post(chat, say())).status, 200, 'status'));
    } finally {
        trap.server.close();
        const status = await w.stop();
        await test('the gateway stops cleanly', () => is(status, 0, 'exit status'));
        await mock.stop();
    }
}

program('incidents', main);
