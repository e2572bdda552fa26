// Processes that are killed and disks that are full: others go on, the restart is clean, and in durable mode no entry of a
// request that was answered is missing. TAP on stdout.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');
const { spawnSync } = require('child_process');
const { test, is, ok } = require('../browser/tap.js');
const { program, Mock, Gateway, request, until } = require('./world.js');
const { read } = require('./lanes.js');

const chat = '/v1/chat/completions';
const say = (content, more = {}) => ({ model: 'mock-1', messages: [{ role: 'user', content }], ...more });
const slow = (w, size = 1, ms = 60) => request(w.port, chat, { body: say(`mock:size=${size},slow=${ms};`, { stream: true }), headers: w.auth() });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const alive = (pid) => fs.existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
// How many clients a worker serves.
function clients(w, pid) {
    const port = w.port.toString(16).toUpperCase().padStart(4, '0');
    const established = fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').map((line) => line.trim().split(/\s+/)).filter((f) => f[1]?.endsWith(`:${port}`) && f[3] === '01');
    const links = fs.readdirSync(`/proc/${pid}/fd`).map((fd) => {
        try {
            return fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
        } catch { // closed meanwhile
            return '';
        }
    });
    return established.filter((f) => links.includes(`socket:[${f[9]}]`)).length;
}

// Ids of requests whose entries are in the trail; every page of it.
function written(w) {
    const found = new Set();
    let cursor = null;
    do {
        const page = JSON.parse(w.cli('access', 'log', '--format', 'json', '--order', 'oldest', '--limit', '1000', ...(cursor ? ['--cursor', cursor] : [])));
        for (const e of page.items ?? page.entries ?? [])
            for (const id of [e.request, e.request_id, e.detail?.request, e.details?.request, e.data?.request])
                if (id)
                    found.add(id);
        cursor = page.next;
    } while (cursor);
    return found;
}

// Requests one after the other until `stop()`; the ids of those that were answered with 200.
function traffic(w, width = 4) {
    const t = { ids: [], refused: {}, on: true };
    const agent = new http.Agent({ keepAlive: true });
    t.done = Promise.all(Array.from({ length: width }, async () => {
        while (t.on) {
            const a = await request(w.port, chat, { agent, body: say('x'), headers: w.auth() }).catch((error) => ({ status: error.code }));
            if (a.status === 200 && !a.lost)
                t.ids.push(a.headers['x-bartizan-request-id']);
            else {
                t.refused[a.status] = (t.refused[a.status] ?? 0) + 1;
                await sleep(20);
            }
        }
    })).then(() => agent.destroy());
    t.stop = () => {
        t.on = false;
        return t.done;
    };
    return t;
}

async function allThere(w, t, what) {
    await until(`all entries (${what})`, () => {
        const found = written(w);
        const missing = t.ids.filter((id) => !found.has(id));
        if (missing.length)
            throw new Error(`${missing.length} of ${t.ids.length} entries are missing, such as ${missing[0]}`);
        return true;
    });
}

async function kills(w) {
    await test('a killed worker: the streams of the other go on, and it comes again', async () => {
        const workers = await until('two workers', () => w.pids().workers.length === 2 && w.pids().workers);
        const streams = [];
        await until('streams on both workers', async () => { // who accepts is the kernel's choice
            streams.push(slow(w, 1, 150).catch(() => null));
            await sleep(30);
            return workers.every((p) => clients(w, p) > 0);
        });
        process.kill(workers[0], 'SIGKILL');
        const whole = (await Promise.all(streams)).filter((a) => a && !a.lost && read('chat', a.text, true).only('t') === 'Hello from the mock.');
        ok(whole.length >= 1 && whole.length < streams.length, `${whole.length} of ${streams.length} streams were left`);
        await until('two workers', () => w.pids().workers.length === 2 && !w.pids().workers.includes(workers[0]));
        is((await w.post(chat, say('x'))).status, 200, 'status');
    });
    await test('killed workers: no entry of an answered request is missing', async () => {
        const t = traffic(w);
        for (let i = 0; i < 4; i++) {
            await sleep(250);
            const { workers } = w.pids(); // one may just be coming again
            if (workers.length)
                process.kill(workers[i % workers.length], 'SIGKILL');
        }
        await until('some answers', () => t.ids.length > 20);
        await t.stop();
        ok(t.ids.length > 20 && t.ids.every(Boolean), `${t.ids.length} answered; ${JSON.stringify(t.refused)}`);
        await allThere(w, t, 'workers killed');
    });
    await test('everything is killed at once: the restart is clean and no entry is missing', async () => {
        const t = traffic(w);
        await until('some answers', () => t.ids.length > 10);
        const p = w.pids();
        for (const pid of [p.daemon, p.parent, p.master, ...p.workers])
            try {
                process.kill(pid, 'SIGKILL');
            } catch { /* the same one twice */ }
        t.on = false;
        await t.done;
        await until('an end', () => [p.parent, p.master, ...p.workers].every((pid) => !alive(pid)));
        await w.run();
        is((await w.post(chat, say('x'))).status, 200, 'status');
        ok(t.ids.length > 10, `${t.ids.length} answered`);
        await allThere(w, t, 'everything killed');
    });
    await test('the daemon is killed: nothing is answered that is not written, and the restart is clean', async () => {
        const p = w.pids();
        const t = traffic(w);
        await sleep(300);
        process.kill(p.daemon, 'SIGKILL');
        await sleep(2500);
        await t.stop();
        if (w.gone !== undefined || !alive(p.parent)) {
            await until('an end', () => [p.master, ...p.workers].every((pid) => !alive(pid)));
            await w.run();
        }
        await until('answers', async () => (await w.post(chat, say('x'))).status === 200);
        await allThere(w, t, 'daemon killed');
    });
    await test('the master is killed: it ends or comes again, and no entry is missing', async () => {
        const p = w.pids();
        const t = traffic(w);
        await sleep(300);
        process.kill(p.master, 'SIGKILL');
        await sleep(700);
        await t.stop();
        if (w.gone === undefined && alive(p.parent))
            await sleep(1500);
        if (w.gone !== undefined || !alive(p.parent)) {
            await until('the workers to end', () => p.workers.every((pid) => !alive(pid)));
            await w.run();
        }
        await until('answers', async () => (await w.post(chat, say('x'))).status === 200);
        await allThere(w, t, 'master killed');
    });
    await test('any of them, at any moment, again and again: the restart is clean and no entry is missing', async () => {
        const t = traffic(w), done = [];
        for (let i = 0; i < 8; i++) {
            const count = t.ids.length;
            await until('some answers', () => t.ids.length > count + 3);
            await sleep(Math.random() * 60);
            if (w.gone !== undefined)
                continue;
            let p;
            try {
                p = w.pids();
            } catch { // it goes just now
                continue;
            }
            const [what, victim] = [['worker', p.workers[0]], ['master', p.master], ['daemon', p.daemon]][Math.floor(Math.random() * 3)];
            if (!victim)
                continue;
            done.push(`${what} after ${t.ids.length}`);
            process.kill(victim, 'SIGKILL');
            if (what === 'worker')
                continue;
            await until(`an end (${done})`, () => w.gone !== undefined && [p.master, ...p.workers].every((pid) => !alive(pid)));
            await w.run();
        }
        await t.stop();
        await allThere(w, t, done.join(', '));
    });
    await test('the ledger still verifies', () => {
        const out = spawnSync(process.env.BTZ_BIN, ['ledger', 'verify', '--state', w.state], { cwd: w.dir, encoding: 'utf8' });
        is(out.status, 0, out.stdout + out.stderr);
    });
}

async function fullDisk(work, mock) {
    const dir = path.join(work, 'small');
    fs.mkdirSync(dir);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=48m,mode=0700', 'tmpfs', dir]).status !== 0) {
        await test('a full disk', () => ({ skip: 'no file system can be mounted here' }));
        return;
    }
    const filler = path.join(dir, 'filler');
    let w = null;
    try {
        await test('a full disk: the gateway does not start, and says what it needs', async () => {
            fs.writeFileSync(filler, Buffer.alloc(24 << 20));
            const said = await Gateway.start(dir, mock, { name: 'none' }).then((g) => g.stop().then(() => 'it started'), (error) => error.message);
            ok(/limits takes \d+ bytes of disk, and \d+ are free: make room/.test(said), said);
            fs.rmSync(filler);
            fs.rmSync(path.join(dir, 'none'), { recursive: true, force: true });
        });
        w = await Gateway.start(dir, mock, { name: 'gate', gate: { audit: { mode: 'durable' } } });
        const before = { ids: [(await w.post(chat, say('x'))).headers['x-bartizan-request-id']] };
        await test('a full disk: durable refuses with 503 and says why', async () => {
            const fd = fs.openSync(filler, 'w');
            for (let size = 1 << 20; size >= 1; size = size > 1 ? size >> 1 : 0)
                try {
                    for (;;)
                        fs.writeSync(fd, Buffer.alloc(size));
                } catch { /* full */ }
            fs.closeSync(fd);
            const a = await until('a refusal', async () => {
                const r = await w.post(chat, say('x'));
                if (r.status === 200)
                    before.ids.push(r.headers['x-bartizan-request-id']);
                return r.status !== 200 && r;
            });
            is(a.status, 503, a.text);
            ok(/disk|space|full|written|audit/i.test(a.text), a.text);
            const { requests } = await mock.counts();
            is((await w.post(chat, say('x'))).status, 503, 'the next one');
            is((await mock.counts()).requests, requests, 'requests upstream');
        });
        await test('with room again it goes on, and nothing that was answered is missing', async () => {
            fs.unlinkSync(filler);
            await until('answers', async () => {
                const r = await w.post(chat, say('x'));
                if (r.status === 200)
                    before.ids.push(r.headers['x-bartizan-request-id']);
                return r.status === 200;
            });
            await allThere(w, before, 'full disk');
        });
    } finally {
        await w?.stop();
        spawnSync('umount', ['-l', dir]);
    }
}

async function main(work) {
    const mock = await Mock.start();
    const w = await Gateway.start(work, mock, { gate: { workers: 2, audit: { mode: 'durable' } } });
    try {
        await kills(w);
    } finally {
        await w.stop();
    }
    try {
        await fullDisk(work, mock);
    } finally {
        await mock.stop();
    }
}

program('crash', main);
