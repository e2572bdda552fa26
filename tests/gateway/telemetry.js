// What others are told of real traffic: traces that are continued to the upstream and to a collector, and counters of requests
// that were served, limited, blocked, refused and in vain. The numbers are those of the requests that were sent. TAP on stdout.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');
const { test, is, ok } = require('../browser/tap.js');
const { program, Mock, Gateway, request, canary, freePort, until } = require('./world.js');

const chat = '/v1/chat/completions';
const say = (content, model = 'mock-1') => ({ model, messages: [{ role: 'user', content }] });
const client = { trace: '4bf92f3577b34da6a3ce929d0e0e4736', span: '00f067aa0ba902b7' };

// A collector: the spans that came, by the gateway's request.
function collector() {
    const c = { spans: new Map() };
    c.server = http.createServer((q, a) => {
        const parts = [];
        q.on('data', (d) => parts.push(d));
        q.on('end', () => {
            for (const r of JSON.parse(Buffer.concat(parts)).resourceSpans ?? [])
                for (const s of r.scopeSpans)
                    for (const span of s.spans)
                        c.spans.set(span.attributes.find((x) => x.key === 'bartizan.request').value.stringValue, span);
            a.setHeader('Content-Type', 'application/json');
            a.end('{}');
        });
    });
    return new Promise((done) => c.server.listen(0, '127.0.0.1', () => {
        c.port = c.server.address().port;
        done(c);
    }));
}

// Sends one request; what the upstream was told, and the id of the request.
async function through(w, headers) {
    await w.mock.seen();
    const a = await request(w.port, chat, { body: say('x'), headers: { ...w.auth(), ...headers } });
    is(a.status, 200, a.text);
    const [seen] = await w.mock.seen();
    return { id: a.headers['x-bartizan-request-id'], told: seen.all('traceparent'), state: seen.all('tracestate') };
}

async function traces(w, c) {
    const span = (id) => until('the span', () => c.spans.get(id));
    await test('a request that continues no trace begins one: its id', async () => {
        const { id, told } = await through(w, {});
        is(told.join(), `00-${id}-${id.slice(16)}-01`, 'traceparent');
        const s = await span(id);
        is(`${s.traceId} ${s.spanId} ${s.parentSpanId}`, `${id} ${id.slice(16)} undefined`, 'span');
    });
    await test('the trace of a client is continued, upstream and at the collector', async () => {
        for (const flags of ['01', '00']) {
            const { id, told, state } = await through(w, { traceparent: `00-${client.trace}-${client.span}-${flags}`, tracestate: 'vendor=secret' });
            is(told.join(), `00-${client.trace}-${id.slice(16)}-${flags}`, 'traceparent');
            is(state.length, 0, 'tracestate says who the client is');
            const s = await span(id);
            is(`${s.traceId} ${s.spanId} ${s.parentSpanId}`, `${client.trace} ${id.slice(16)} ${client.span}`, 'span');
        }
    });
    await test('one that is malformed, or two, are replaced', async () => {
        const good = `00-${client.trace}-${client.span}-01`;
        for (const traceparent of ['nonsense', good.toUpperCase(), `${good}-more`, good.replace(client.span, '0'.repeat(16)), `ff${good.slice(2)}`, [good, good]]) {
            const { id, told } = await through(w, { traceparent });
            is(told.join(), `00-${id}-${id.slice(16)}-01`, JSON.stringify(traceparent));
        }
    });
    await test('the entry of a request names the trace', async () => {
        const { id } = await through(w, { traceparent: `00-${client.trace}-${client.span}-01` });
        await until('the entry', () => {
            const text = w.cli('access', 'log', '--format', 'json', '--order', 'newest', '--limit', '50');
            return JSON.parse(text).items.some((e) => JSON.stringify(e).includes(id) && JSON.stringify(e).includes(client.trace));
        });
    });
    await test('without a collector a trace is handed on as it is', async () => {
        w.settings.gate.otlp = '';
        w.write();
        w.cli('gate', 'reload');
        const good = `00-${client.trace}-${client.span}-01`;
        // Workers of before may take a request or two more.
        await until('a trace as it is', async () => (await through(w, { traceparent: good })).told.join() === good);
        await until('none of a malformed one', async () => (await through(w, { traceparent: 'nonsense' })).told.length === 0);
        await until('none of none', async () => (await through(w, {})).told.length === 0);
    });
}

// Asks the daemon on its local socket.
function get(w, target) {
    return new Promise((done, fail) => {
        http.get({ socketPath: path.join(w.state, 'access/local.sock'), path: target, headers: { 'X-Bartizan-Local': '1' } }, (a) => {
            let text = '';
            a.on('data', (d) => (text += d));
            a.on('end', () => done({ status: a.statusCode, text }));
        }).on('error', fail);
    });
}

// Samples of the daemon: "name{labels}" -> number.
async function scrape(w) {
    const { status, text } = await get(w, '/metrics');
    const samples = new Map();
    for (const line of text.split('\n').filter((l) => l && !l.startsWith('#'))) {
        const at = line.lastIndexOf(' ');
        samples.set(line.slice(0, at), Number(line.slice(at + 1)));
    }
    return Object.assign(samples, { status });
}

const sum = (samples, name) => [...samples].filter(([k]) => k.startsWith(`${name}{`)).reduce((n, [, v]) => n + v, 0);
const labels = (samples, label) => new Set([...samples.keys()].map((k) => k.match(new RegExp(`[{,]${label}="([^"]*)"`))?.[1]).filter((v) => v !== undefined));

async function counters(w) {
    const narrow = w.service('narrow', ['user']);
    const before = await scrape(w);
    const ids = [];
    const send = async (n, body, wanted, more = {}) => {
        for (let i = 0; i < n; i++) {
            const a = await w.post(more.path ?? chat, body(i), more);
            ids.push(a.headers['x-bartizan-request-id']);
            is(a.status, [wanted].flat()[Math.min(i, [wanted].flat().length - 1)], `${i}: ${a.text}`);
        }
    };
    await test('requests of every kind get their answers', async () => {
        await until('the key', async () => (await w.get('/v1/models', { key: narrow })).status === 200);
        await send(5, () => say('x'), 200);
        await send(7, () => say('x'), [200, 200, 200, 429], { key: narrow });
        await send(2, () => say(`what is ${canary}?`), 403);
        await send(2, () => say('x'), 401, { key: 'btz_nonsense' });
        await send(1, () => say('x', 'secret-model'), 403);
        await send(4, () => say('x', 'mock-broken'), [502, 502, 503]); // left alone after two
        await send(40, (i) => say('x', `mock-made-up-${i}`), 200);
    });
    await test('Prometheus is told the numbers of them', async () => {
        const now = await until('all of them', async () => {
            const s = await scrape(w);
            return sum(s, 'bartizan_gate_requests_total') - sum(before, 'bartizan_gate_requests_total') >= ids.length && s;
        });
        const grew = (key) => (now.get(key) ?? 0) - (before.get(key) ?? 0);
        const wanted = {
            'bartizan_gate_requests_total{route="chat",outcome="ok"}': 48,
            'bartizan_gate_requests_total{route="chat",outcome="limited"}': 4,
            'bartizan_gate_requests_total{route="chat",outcome="blocked"}': 2,
            'bartizan_gate_requests_total{route="chat",outcome="denied"}': 3,
            'bartizan_gate_requests_total{route="chat",outcome="upstream-error"}': 2,
            'bartizan_gate_requests_total{route="chat",outcome="error"}': 2,
            'bartizan_gate_refusals_total{reason="limit"}': 4,
            'bartizan_gate_refusals_total{reason="guard"}': 2,
            'bartizan_gate_refusals_total{reason="identity"}': 2,
            'bartizan_gate_refusals_total{reason="policy"}': 1,
            'bartizan_gate_upstream_responses_total{upstream="openai",status="2xx"}': 48,
            'bartizan_gate_upstream_responses_total{upstream="broken",status="none"}': 2,
            'bartizan_gate_guard_total{verdict="blocked"}': 2,
        };
        for (const [key, n] of Object.entries(wanted))
            is(grew(key), n, key);
        is(now.get('bartizan_gate_circuit_open{upstream="broken"}'), 1, 'the circuit of broken');
        is(now.get('bartizan_gate_circuit_open{upstream="openai"}'), 0, 'the circuit of openai');
        is(now.get('bartizan_gate_in_flight'), 0, 'in flight');
    });
    await test('labels are bounded by the settings, whatever clients say', async () => {
        const s = await scrape(w);
        const allowed = (label, names) => {
            for (const value of labels(s, label))
                ok(names.includes(value), `${label}="${value}"`);
        };
        allowed('gen_ai_request_model', [...w.settings.gate.models.map((m) => m.name), 'other']);
        allowed('gen_ai_provider_name', [...w.settings.gate.upstreams.map((u) => u.name), 'other', '']);
        allowed('upstream', [...w.settings.gate.upstreams.map((u) => u.name), 'other']);
        ok(labels(s, 'gen_ai_request_model').has('mock*'), 'models that were made up count as the star');
        is(s.get('bartizan_gate_series_overflow_total'), 0, 'overflow');
    });
    await test('limits in use are told: what they allow, what is used', async () => {
        const s = await scrape(w);
        const [key] = [...s.keys()].filter((k) => k.startsWith('bartizan_gate_limit_used{') && k.includes('requests_per_minute'));
        ok(key, 'bartizan_gate_limit_used');
        is(s.get(key.replace('_used', '')), 3, key);
        ok(s.get(key) <= 3, `${key} ${s.get(key)}`); // a minute may just have ended
    });
}

// While the workers go on with what they have mapped.
async function unreadable(w) {
    await test('limits that cannot be read: all else is told, and that', async () => {
        const file = path.join(w.state, 'gate/limits'), fd = fs.openSync(file, 'r+'), magic = Buffer.alloc(8);
        const told = async () => {
            const s = await scrape(w);
            return [s.status, s.get('bartizan_gate_state_unreadable{file="limits"}'), s.get('bartizan_gate_in_flight')].join();
        };
        const ready = async () => (await get(w, '/v1/ready')).status;
        fs.readSync(fd, magic, 0, 8, 0);
        is(`${await told()} ${await ready()}`, '200,0,0 200', 'before');
        fs.writeSync(fd, Buffer.alloc(8, 0x41), 0, 8, 0);
        is(`${await told()} ${await ready()}`, '200,1,0 503', 'damaged');
        is(JSON.parse((await get(w, '/v1/ready')).text).parts.limits, false, 'the part that is not ready');
        is(JSON.parse((await get(w, '/v1/traffic')).text).unreadable.join(), 'limits', 'for the page');
        ok(/gate\/limits cannot be read: .*move it away/.test(w.log()), w.log());
        fs.writeSync(fd, magic, 0, 8, 0);
        is(`${await told()} ${await ready()}`, '200,0,0 200', 'put back');
        fs.closeSync(fd);
    });
}

async function main(work) {
    const mock = await Mock.start();
    const c = await collector();
    const dead = await freePort();
    const url = mock.url;
    const gate = {
        otlp: `http://127.0.0.1:${c.port}`,
        upstreams: [{ name: 'openai', url, break_after: 0 }, { name: 'plain', url }, { name: 'tools', url, dialect: 'mcp' }, { name: 'broken', url: `http://127.0.0.1:${dead}`, break_after: 2, break_for: '10m' }],
        models: [{ name: 'mock-broken', upstreams: [{ upstream: 'broken' }] }, { name: 'mock*', upstreams: [{ upstream: 'openai' }] }, { name: 'secret-model', upstreams: [{ upstream: 'openai' }] }],
        limits: [{ each: 'principal', name: 'narrow', requests_per_minute: 3 }],
    };
    const w = await Gateway.start(work, mock, { gate });
    try {
        await counters(w);
        await traces(w, c);
        await unreadable(w);
    } finally {
        await w.stop();
        await mock.stop();
        c.server.closeAllConnections?.();
        c.server.close();
    }
}

program('telemetry', main);
