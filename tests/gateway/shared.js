// Limits in a Redis that is slow, mute, broken or gone: requests are refused and say why, nobody waits for long, and it goes on
// by itself. A proxy stands before a real one. TAP on stdout.
'use strict';
const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const path = require('path');
const { test, is, ok } = require('../browser/tap.js');
const { program, Mock, Gateway, request, child, gone, freePort, until } = require('./world.js');

const chat = '/v1/chat/completions';
const say = (content, more = {}) => ({ model: 'mock-1', messages: [{ role: 'user', content }], ...more });
const lease = 1500;
// Over IPv6 where this machine has it.
const here = Object.values(os.networkInterfaces()).flat().some((i) => i.address === '::1') ? '::1' : '127.0.0.1';

// `mode`: pass; mute: takes everything, keeps it; or text: that is the answer to everything. `after`: what is done then.
class Proxy {
    static async start(to) {
        const p = new Proxy();
        Object.assign(p, { to, mode: 'pass', links: new Set(), asked: { reserve: 0, renew: 0, release: 0, settle: 0 } });
        p.server = net.createServer((c) => p.link(c));
        p.port = await new Promise((done) => p.server.listen(0, here, () => done(p.server.address().port)));
        return p;
    }

    link(c) {
        const link = { c, kept: [], muted: this.mode === 'mute' };
        link.r = net.connect(this.to, '127.0.0.1').on('error', () => c.destroy()).on('close', () => c.destroy());
        this.links.add(link);
        link.r.on('data', (d) => c.write(d));
        c.on('data', (d) => {
            for (const op of Object.keys(this.asked))
                this.asked[op] += d.toString('latin1').split(`\r\n${op}\r\n`).length - 1;
            if (link.muted)
                link.kept.push(d);
            else if (this.mode === 'pass')
                link.r.write(d);
            else
                c.write(this.mode);
        }).on('error', () => {}).on('close', () => {
            link.r.destroy();
            this.links.delete(link);
        });
    }

    // The connections that there are say nothing any more; new ones do.
    mute() {
        this.links.forEach((l) => (l.muted = true));
    }

    // What was kept goes on.
    speak() {
        this.links.forEach((l) => {
            l.muted = false;
            l.kept.splice(0).forEach((d) => l.r.write(d));
        });
    }

    stop() {
        this.links.forEach((l) => l.c.destroy());
        return new Promise((done) => this.server.close(done));
    }
}

async function redisServer(work, port) {
    const p = child('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', work], { stdio: 'ignore' });
    await until('redis', () => new Promise((done) => net.connect(port, '127.0.0.1').on('connect', function () {
        this.destroy();
        done(true);
    }).on('error', () => done(false))));
    return p;
}

function refusals(w) {
    return new Promise((done, fail) => {
        http.get({ socketPath: path.join(w.state, 'access/local.sock'), path: '/metrics', headers: { 'X-Bartizan-Local': '1' } }, (a) => {
            let text = '';
            a.on('data', (d) => (text += d)).on('end', () => done(Number(text.match(/^bartizan_gate_refusals_total\{reason="unavailable"\} (\d+)/m)?.[1] ?? 0)));
        }).on('error', fail);
    });
}

const errors = (w) => ['gate.err', 'state/gate/error.log'].map((f) => path.join(w.dir, f)).filter((f) => fs.existsSync(f)).map((f) => fs.readFileSync(f, 'utf8')).join('');

// Refused: in the protocol's shape, counted, written down, and nothing went upstream.
async function refused(w, what) {
    const before = { metric: await refusals(w), upstream: (await w.mock.counts()).requests };
    const a = await w.post(chat, say('x'));
    is(a.status, 503, `${what}: ${a.text}`);
    is(a.json?.error?.code, 'limits_unavailable', `${what}: ${a.text}`);
    is((await w.mock.counts()).requests, before.upstream, `${what}: requests upstream`);
    await until(`${what}: the counter`, async () => (await refusals(w)) > before.metric);
    const e = await until(`${what}: the entry`, () => JSON.parse(w.cli('access', 'log', '--event', 'call', '--limit', '50', '--format', 'json')).items.find((i) => i.request === a.headers['x-bartizan-request-id']));
    is(`${e.verdict} ${e.name} ${e.call.status}`, 'error app 503', JSON.stringify(e));
}

const passes = (w, what) => until(what, async () => (await w.post(chat, say('x'))).status === 200);
// Of two at a time both pass: nothing is held any more.
const bothPass = (w, what) => until(what, async () => (await Promise.all([0, 1].map(() => w.post(chat, say('mock:first=100;'))))).every((a) => a.status === 200));

async function silence(w, proxy) {
    await test('a mute Redis: the first waits, is refused and says why; those after it do not wait', async () => {
        await passes(w, 'an answer before');
        proxy.mute();
        await refused(w, 'the first');
        ok(errors(w).includes('redis: no answer in time'), 'the log does not say so');
        const began = Date.now();
        for (let i = 0; i < 10; i++)
            is((await w.post(chat, say('x'))).status, 503, `number ${i}`);
        ok(Date.now() - began < 2500, `ten took ${Date.now() - began} ms`);
    });
    await test('it speaks again: it goes on by itself, and what was asked for in vain is given back', async () => {
        proxy.speak();
        await bothPass(w, 'both of two');
    });
    await test('it never speaks again: another connection is tried', async () => {
        proxy.mute();
        await refused(w, 'the first');
        await passes(w, 'an answer over another connection');
        await bothPass(w, 'both of two');
    });
}

async function nonsense(w, proxy) {
    const ends = () => proxy.links.forEach((l) => l.c.destroy());
    const cases = [
        ['another protocol', 'HTTP/1.1 400 Bad Request\r\n\r\n', null], ['an answer that is none', '$5\r\nHELLO\r\n', null], ['a number', ':1\r\n', null], ['nothing', '$-1\r\n', null], ['an array without end', '*1\r\n'.repeat(20), null],
        ['an error', '-OOM command not allowed when used memory > \'maxmemory\'.\r\n', /redis: OOM/], ['half an answer, then the end', '$2\r\nO', null],
    ];
    for (const [what, text, log] of cases)
        await test(`a Redis that answers ${what}: refused, and it goes on`, async () => {
            await passes(w, 'an answer before');
            proxy.mode = text;
            const cut = text.endsWith('O') && setInterval(ends, 100);
            try {
                await refused(w, what);
            } finally {
                clearInterval(cut);
                proxy.mode = 'pass';
            }
            if (log)
                ok(log.test(errors(w)), 'the log does not say so');
            await passes(w, 'an answer afterwards');
        });
}

async function leases(w, proxy) {
    // Begun: { status, end }.
    const stream = (key) => new Promise((done, fail) => {
        const body = JSON.stringify(say('mock:slow=50,size=1,huge=95;', { stream: true }));
        const req = http.request({ host: '127.0.0.1', port: w.port, path: chat, method: 'POST', agent: false, headers: { ...w.auth(key), 'Content-Type': 'application/json', 'Content-Length': body.length } }, (a) => {
            const end = new Promise((over) => a.resume().on('error', () => {}).on('close', () => over(a.complete)));
            done({ status: a.statusCode, end });
        });
        req.on('error', fail);
        req.end(body);
    });
    const single = () => w.post(chat, say('x'), { key: w.one });
    await test('a stream that outlasts its lease keeps its place, and gives it back at the end', async () => {
        const before = proxy.asked.renew;
        let over = false;
        const long = await stream(w.one);
        is(long.status, 200, 'the stream');
        long.end.then(() => (over = true));
        for (const from = Date.now(); Date.now() - from < 2.5 * lease;) {
            const a = await single();
            ok(a.status === 429 || over, `${Date.now() - from} ms: ${a.status}`);
            await new Promise((done) => setTimeout(done, 100));
        }
        ok(proxy.asked.renew - before >= 3, `${proxy.asked.renew - before} renewals`);
        ok(await long.end, 'the stream broke off');
        await until('its place', async () => (await single()).status === 200);
    });
    await test('of a worker that was killed the place comes back when the lease is over', async () => {
        const lost = await Promise.all([stream(), stream()]);
        is((await w.post(chat, say('x'))).status, 429, 'no place');
        for (const p of w.pids().workers)
            process.kill(p, 'SIGKILL');
        await Promise.all(lost.map((l) => l.end));
        await bothPass(w, 'both of two');
    });
}

async function restart(w, work, port, redis) {
    await test('Redis ends, comes again without its data: refused meanwhile, then it counts from zero', async () => {
        await gone(redis.process, 'SIGKILL');
        await refused(w, 'no Redis');
        redis.process = await redisServer(work, port);
        await bothPass(w, 'both of two');
    });
}

async function main(work) {
    if (!fs.existsSync('/usr/bin/redis-server')) {
        await test('limits in Redis', () => ({ skip: 'redis-server is not installed' }));
        return;
    }
    const mock = await Mock.start(), port = await freePort();
    const redis = { process: await redisServer(work, port) };
    const proxy = await Proxy.start(port);
    const w = await Gateway.start(work, mock, { gate: {
        workers: 1, shared_limits: `redis://${net.isIPv6(here) ? `[${here}]` : here}:${proxy.port}/0`, shared_lease: `${lease}ms`,
        limits: [{ each: 'principal', name: 'app', concurrency: 2 }, { each: 'principal', name: 'one', concurrency: 1 }],
    } });
    try {
        w.one = w.service('one', ['user']);
        await until('the key', async () => (await w.get('/v1/models', { key: w.one })).status === 200);
        await silence(w, proxy);
        await nonsense(w, proxy);
        await leases(w, proxy);
        await restart(w, work, port, redis);
    } finally {
        const status = await w.stop();
        await test('the gateway stops cleanly', () => is(status, 0, 'exit status'));
        await proxy.stop();
        await gone(redis.process, 'SIGKILL');
        await mock.stop();
    }
}

program('shared', main);
