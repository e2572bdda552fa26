// A thousand requests at once against room for ten: exactly ten pass, with one worker, with four, and over two gateways that
// count in one Redis. TAP on stdout.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');
const { test, is } = require('../browser/tap.js');
const { program, Mock, Gateway, request, child, gone, freePort, until } = require('./world.js');

const chat = '/v1/chat/completions';
const limits = [
    { each: 'principal', name: 'minute*', requests_per_minute: 10 },
    { each: 'principal', name: 'parallel*', concurrency: 10 },
    { each: 'principal', name: 'money*', budget: 100 },
];
const models = [{ name: 'mock*', upstreams: [{ upstream: 'openai' }] }, { name: 'dear*', input_price: 0, output_price: 1000000, upstreams: [{ upstream: 'openai' }] }];

// `n` requests at once, in turn over the gateways; how many had each status. With `held`, those that pass are answered by the
// mock when all others are, so that none of these comes late.
const held = 'first=600000';
async function storm(gates, n, key, marker, model = 'mock-1', passing = 10) {
    const agent = new http.Agent({ maxSockets: 2000 });
    const counts = {};
    let retry = 0, left = n;
    const body = JSON.stringify({ model, max_tokens: 10, messages: [{ role: 'user', content: `mock:${marker};` }] });
    // Again and again: one that passed may still be on its way to the mock.
    const release = setInterval(() => left <= passing && marker.includes(held) && request(gates[0].mock.port, '/_go', { method: 'GET' }).catch(() => {}), 50);
    await Promise.all(Array.from({ length: n }, async (_, i) => {
        const w = gates[i % gates.length];
        const a = await request(w.port, chat, { agent, body, headers: w.auth(key) }).catch((error) => ({ status: error.code, headers: {}, text: '' }));
        counts[a.status] = (counts[a.status] ?? 0) + 1;
        retry += a.status === 429 && Number(a.headers['retry-after']) > 0;
        left--;
    }));
    clearInterval(release);
    agent.destroy();
    return { ...counts, retry };
}

async function exact(mock, gates, name, services) {
    const tell = (c) => JSON.stringify(c);
    await test(`${name}: ten a minute: exactly 10 of 1,000 at once pass`, async () => {
        const before = (await mock.counts()).requests;
        const c = await storm(gates, 1000, services.minute, 'first=200');
        is(c[200], 10, tell(c));
        // A Redis that does not answer in time refuses with 503: safe, and another one's fault.
        is(c[429] + (gates.length > 1 ? c[503] ?? 0 : 0), 990, tell(c));
        is(c.retry, c[429], 'refusals with retry-after');
        is((await mock.counts()).requests - before, 10, 'requests upstream');
    });
    await test(`${name}: ten at a time: exactly 10 of 1,000 pass, and ten again when those are done`, async () => {
        for (let i = 0; i < 2; i++) {
            const c = await storm(gates, 1000, services.parallel, held);
            is(c[200], 10, tell(c));
            is(c[429], 990, tell(c));
        }
        const c = await storm(gates, 10, services.parallel, 'status=500');
        is(c[500], 10, `places are given back after errors: ${tell(c)}`);
        is((await storm(gates, 10, services.parallel, 'first=100'))[200], 10, 'and after those');
    });
    await test(`${name}: money: what is reserved is not spent twice, what was not used is given back`, async () => {
        const c = await storm(gates, 1000, services.money, `usage=7,${held}`, 'dear-1');
        is(c[200], 10, tell(c)); // 10 tokens reserved for each, of 100
        const again = await storm(gates, 200, services.money, `usage=10,${held}`, 'dear-1', 3);
        is(again[200], 3, `after 70 were used: ${tell(again)}`);
        is((await storm(gates, 20, services.money, 'status=503', 'dear-1'))[503] ?? 0, 0, 'nothing is left');
    });
}

// Streams until no place is left. The request that looks takes a place itself for a moment, so that a stream may miss it.
async function full(w, services, start) {
    for (let i = 0; i < 10; i++)
        start();
    await until('ten streams', async () => (await storm([w], 1, services.parallel, ''))[429] === 1 || void start());
}

async function one(work, mock, workers) {
    const w = await Gateway.start(work, mock, { name: `w${workers}`, gate: { workers, limits, models } });
    const services = {};
    for (const kind of ['minute', 'parallel', 'money'])
        services[kind] = w.service(kind, ['user']);
    try {
        await exact(mock, [w], `${workers} worker${workers > 1 ? 's' : ''}`, services);
        await test(`${workers} worker(s): clients that go away give their places back`, async () => {
            const controller = new AbortController();
            const body = { model: 'mock-1', stream: true, messages: [{ role: 'user', content: 'mock:slow=50,size=1,huge=10000;' }] };
            const all = [], start = () => all.push(request(w.port, chat, { body, headers: w.auth(services.parallel), signal: controller.signal }).catch(() => 0));
            await full(w, services, start);
            controller.abort();
            await Promise.all(all);
            await until('their places', async () => (await storm([w], 10, services.parallel, 'first=300'))[200] === 10);
        });
        await test(`${workers} worker(s): a killed worker gives back what it held`, async () => {
            const body = { model: 'mock-1', stream: true, messages: [{ role: 'user', content: 'mock:slow=50,size=1,huge=10000;' }] };
            const all = [], start = () => all.push(request(w.port, chat, { body, headers: w.auth(services.parallel) }).catch(() => 0));
            await full(w, services, start);
            for (const p of w.pids().workers)
                process.kill(p, 'SIGKILL');
            await Promise.all(all);
            await until('their places', async () => (await storm([w], 10, services.parallel, 'first=300'))[200] === 10);
        });
    } finally {
        await w.stop();
    }
}

async function fleet(work, mock) {
    const port = await freePort();
    const redis = child('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', work], { stdio: 'ignore' });
    await until('redis', () => new Promise((done) => require('net').connect(port, '127.0.0.1').on('connect', function () {
        this.destroy();
        done(true);
    }).on('error', () => done(false))));
    const gate = { workers: 1, limits, models, shared_limits: `redis://127.0.0.1:${port}/0` };
    const a = await Gateway.start(work, mock, { name: 'a', gate });
    const b = await Gateway.start(work, mock, { name: 'b', gate });
    const gates = [a, b];
    const services = {};
    // Each has people and keys of its own: the same names, so the same counters; keys differ.
    for (const kind of ['minute', 'parallel', 'money'])
        for (const w of gates)
            (services[kind] ??= new Map()).set(w, w.service(kind, ['user']));
    for (const w of gates) {
        const auth = w.auth.bind(w);
        w.auth = (key) => auth(key instanceof Map ? key.get(w) : key);
    }
    try {
        await exact(mock, gates, 'two gateways and one Redis', services);
        await test('Redis is gone: nothing passes uncounted', async () => {
            await gone(redis, 'SIGKILL');
            const c = await storm(gates, 20, services.parallel, '');
            is(c[503], 20, JSON.stringify(c));
        });
    } finally {
        await gone(redis, 'SIGKILL');
        await a.stop();
        await b.stop();
    }
}

async function main(work) {
    const mock = await Mock.start();
    try {
        for (const workers of [1, 4])
            await one(work, mock, workers);
        if (fs.existsSync('/usr/bin/redis-server'))
            await fleet(work, mock);
        else
            await test('two gateways and one Redis', () => ({ skip: 'redis-server is not installed' }));
    } finally {
        await mock.stop();
    }
}

program('limits', main);
