// Uploads into the vault on a disk that is full, and with a process killed in the middle of one: what is refused says why,
// nothing half is kept, nothing is registered that is not there whole. TAP on stdout.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const https = require('https');
const path = require('path');
const { spawnSync } = require('child_process');
const { test, is, ok } = require('../browser/tap.js');
const { program, Mock, Gateway, until } = require('./world.js');

const MB = 1 << 20;
const files = (folder) => (fs.existsSync(folder) ? fs.readdirSync(folder) : []);
const spooled = (w) => files(path.join(w.state, 'gate/temp/client_body'));
const kept = (w) => files(path.join(w.state, 'vault')).filter((f) => !/^v?key$/.test(f));
const halves = (w) => kept(w).filter((f) => f.startsWith('.new-'));
const registered = (w) => JSON.parse(w.cli('access', 'artifact', 'list', '--format', 'json')).items;
const alive = (pid) => fs.existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));

// A body that is sent as far as one lets it: { answer, write(bytes), end() }; the answer's status is the error's name when
// there is none.
function upload(w, name, { length, chunked = false } = {}) {
    let req;
    const answer = new Promise((done) => {
        req = https.request({
            host: '127.0.0.1', port: w.tls, path: `/artifacts/${name}`, method: 'PUT', agent: false, servername: 'localhost',
            ca: fs.readFileSync(path.join(w.state, 'gate/self-signed.pem')),
            headers: { Host: `localhost:${w.tls}`, ...w.auth(w.writer), ...(chunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': length }) },
        }, (a) => {
            let text = '';
            a.on('data', (d) => (text += d));
            a.on('close', () => done({ status: a.statusCode, type: a.headers['content-type'], text }));
        });
        req.on('error', (error) => done({ status: error.code, text: String(error) }));
    });
    req.flushHeaders();
    return { answer, write: (bytes) => req.write(bytes), end: (bytes) => req.end(bytes) };
}

function whole(w, name, bytes, more = {}) {
    const u = upload(w, name, { length: bytes.length, ...more });
    u.end(bytes);
    return u.answer;
}

function start(dir, mock, name) {
    return Gateway.start(dir, mock, { name, gate: { workers: 2 } }).then((w) => {
        fs.writeFileSync(path.join(w.dir, 'roles.yaml'), 'policy: vault\nroles:\n  writes:\n    rules: [{id: w, effect: allow, actions: [artifact.write], resources: ["artifact/*"]}]\n');
        w.cli('access', 'policy', 'set', 'vault', path.join(w.dir, 'roles.yaml'));
        w.writer = w.service('writer', ['writes'], 'artifact.write artifact/*');
        return w;
    });
}

function isFull(a) {
    is(a.status, 507, a.text);
    ok(/problem\+json/.test(a.type), a.type);
    const said = JSON.parse(a.text);
    is(said.type, 'urn:bartizan:problem:full', 'type');
    ok(/full|space/.test(said.detail), said.detail);
}

async function fullDisk(work, mock) {
    const dir = path.join(work, 'small');
    fs.mkdirSync(dir);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=96m,mode=0700', 'tmpfs', dir]).status !== 0) {
        await test('a full disk', () => ({ skip: 'no file system can be mounted here' }));
        return;
    }
    const w = await start(dir, mock, 'gate').catch((error) => {
        spawnSync('umount', ['-l', dir]);
        throw error;
    });
    const nothing = async (name) => {
        await until('nothing is spooled', () => spooled(w).length === 0);
        is(kept(w).length, 0, 'files in the vault');
        is(registered(w).filter((a) => a.name === name).length, 0, 'registered');
    };
    try {
        await test('an upload for which there is no room is refused before it is sent', async () => {
            const u = upload(w, 'large', { length: 90 * MB });
            const a = await u.answer; // nothing was sent
            isFull(a);
            await nothing('large');
        });
        await test('an upload of unknown length that fills the disk: 507, and nothing is kept', async () => {
            isFull(await whole(w, 'unknown', Buffer.alloc(120 * MB, 1), { chunked: true }));
            await nothing('unknown');
        });
        await test('the disk is full while it is taken in: 507, and nothing is kept', async () => {
            // It fits once, not twice.
            isFull(await whole(w, 'twice', Buffer.alloc(50 * MB, 2), { chunked: true }));
            await nothing('twice');
        });
        await test('with room it is taken, and the gateway serves as before', async () => {
            const a = await whole(w, 'small', Buffer.alloc(5 * MB, 3));
            is(a.status, 201, a.text);
            is(registered(w).length, 1, 'registered');
            is((await w.post('/v1/chat/completions', { model: 'mock-1', messages: [{ role: 'user', content: 'x' }] })).status, 200, 'a chat');
        });
    } finally {
        await w.stop();
        spawnSync('umount', ['-l', dir]);
    }
}

async function kills(w) {
    await test('a worker is killed in the middle of an upload: the next one is taken, the restart takes the rest away', async () => {
        const u = upload(w, 'cut', { length: 8 * MB });
        u.write(Buffer.alloc(4 * MB, 4));
        await until('half of it is spooled', () => spooled(w).length === 1);
        for (const pid of w.pids().workers)
            process.kill(pid, 'SIGKILL');
        ok(!((await u.answer).status >= 200 && (await u.answer).status < 300), 'no success');
        const bytes = Buffer.alloc(MB, 5);
        await until('another upload', async () => (await whole(w, 'next', bytes)).status === 201);
        is(registered(w).map((a) => a.name).join(), 'next', 'registered');
        await w.stop();
        await w.run();
        is(spooled(w).length, 0, 'spooled');
        is(kept(w).join(), crypto.createHash('sha256').update(bytes).digest('hex'), 'in the vault');
    });
    await test('everything is killed while an upload is taken in: nothing half is left after the restart', async () => {
        let caught = false;
        for (let i = 0; i < 20 && !caught; i++) {
            const bytes = Buffer.alloc(48 * MB, 10 + i);
            const name = `killed-${i}`;
            const before = registered(w).length;
            const u = upload(w, name, { length: bytes.length });
            let answered = false;
            u.answer.then(() => (answered = true));
            u.end(bytes);
            while (!answered && halves(w).length === 0)
                await new Promise(setImmediate);
            if (answered)
                continue;
            const p = w.pids();
            for (const pid of [p.daemon, p.parent, p.master, ...p.workers])
                try {
                    process.kill(pid, 'SIGKILL');
                } catch { /* the same one twice, or an old one */ }
            const a = await u.answer;
            await until('an end', () => [p.parent, p.master, ...p.workers].every((pid) => !alive(pid)));
            caught = halves(w).length > 0 && a.status !== 201;
            await w.run();
            await until('no halves', () => halves(w).length === 0);
            is(spooled(w).length, 0, 'spooled');
            const now = registered(w);
            is(now.length, a.status === 201 ? before + 1 : before, `registered, answered with ${a.status}`);
            is((await whole(w, name, bytes)).status, a.status === 201 ? 409 : 201, 'the same bytes again');
        }
        ok(caught, 'it was killed in time');
    });
    await test('what is registered is there, byte by byte', async () => {
        const all = registered(w);
        for (const a of all)
            w.cli('access', 'artifact', 'verify', a.name, String(a.version));
        ok(all.length >= 2, `${all.length} artifacts`);
    });
}

async function main(work) {
    const mock = await Mock.start();
    try {
        const w = await start(work, mock, 'gate');
        try {
            await kills(w);
        } finally {
            await w.stop();
        }
        await fullDisk(work, mock);
    } finally {
        await mock.stop();
    }
}

program('vault', main);
