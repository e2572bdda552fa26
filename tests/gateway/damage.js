// Files of the state folder that are cut, emptied, overwritten, lost, while the gateway is stopped and while it runs: it sets
// them right, or refuses with a line that says which file and what to do. It never serves unguarded, and what was answered stays
// in the ledger. TAP on stdout.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const { spawnSync } = require('child_process');
const { test, is, ok } = require('../browser/tap.js');
const { program, Mock, Gateway, request, canary, until } = require('./world.js');

const chat = '/v1/chat/completions';
const say = (content, more = {}) => ({ model: 'mock-1', messages: [{ role: 'user', content }], ...more });
const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
const upload = ['--x', 'Content-Disposition: form-data; name="purpose"', '', 'batch', '--x', 'Content-Disposition: form-data; name="file"; filename="a.jsonl"', '', '{}', '--x--', ''].join('\r\n');

const flipped = (bytes, from) => Buffer.from(bytes.map((b, i) => (i >= from && i < from + 64 && i % 5 === 0 ? b ^ 0x41 : b)));
const damages = {
    empty: () => Buffer.alloc(0),
    half: (bytes) => bytes.subarray(0, bytes.length >> 1),
    random: (bytes) => crypto.randomBytes(bytes.length),
    'other bits at its head': (bytes) => flipped(bytes, 0),
    'other bits in its middle': (bytes) => flipped(bytes, bytes.length >> 1),
    gone: null,
};
const every = Object.keys(damages), some = every.filter((d) => !/empty|gone|middle/.test(d));

// What is refused: the file, how it is damaged, what is said besides its name.
const refused = [
    ['access/access.db', ['empty', 'gone'], /put it back \(`bartizan access store restore`\), or begin anew/],
    ['access/access.db', ['half', 'random', 'other bits in its middle'], /put it back from a backup/],
    ['access/seal.key', every.filter((d) => d !== 'gone'), /seal keys: |hex digit/],
    ['access/seal.key', ['gone'], /put that one back/],
    ['gate/journal/control', some, /move it away: a new one is made/],
    ['gate/limits', some, /move it away, and counting begins anew/],
    ['gate/owned', some, /put it back from a backup, or move it away/],
    ['ledger/checkpoint', ['empty', 'other bits at its head', 'gone'], /checkpoint/],
    ['ledger/key', ['empty', 'other bits in its middle', 'gone'], /ledger\/key/],
];
// What is made anew: nothing in it is needed, or all of it is elsewhere too.
const mended = ['access/generation', 'access/snapshot', 'gate/circuits', 'gate/journal/ring-00', 'gate/metrics', 'gate/nginx.conf', 'gate/run.pid', 'gate/self-signed.key', 'gate/self-signed.pem', 'ledger/pending'];

function damage(file, how) {
    if (damages[how])
        fs.writeFileSync(file, damages[how](fs.readFileSync(file)));
    else
        fs.unlinkSync(file);
}

// The gateway guards and knows who asks.
async function guards(w, what) {
    is((await w.post(chat, say('x'))).status, 200, `${what}: with a key`);
    is((await w.post(chat, say('x'), { key: 'btz_wrong' })).status, 401, `${what}: without one`);
    const n = await w.mock.say(canary), a = await w.post(chat, say(`mock:say=${n};`));
    is(a.status, 403, `${what}: what must not leave`);
    ok(!a.text.includes(canary), `${what}: it left`);
}

function intact(w, what) {
    const v = spawnSync(process.env.BTZ_BIN, ['ledger', 'verify', '--state', w.state], { cwd: w.dir, encoding: 'utf8' });
    is(v.status, 0, `${what}: ${v.stdout}${v.stderr}`);
}

async function refusals(w) {
    for (const [name, hows, says] of refused)
        await test(`${name}, ${hows.join(', ')}: it does not start, and says why`, () => {
            const file = path.join(w.state, name), bytes = fs.readFileSync(file);
            for (const how of hows) {
                damage(file, how);
                const got = spawnSync(process.env.BTZ_BIN, ['gate', 'run', '--listen', `localhost:${w.tls}`, '--state', w.state, '--quiet'], { cwd: w.dir, env: w.env, encoding: 'utf8', timeout: 60000 });
                fs.rmSync(`${file}-wal`, { force: true });
                fs.writeFileSync(file, bytes, { mode: 0o600 });
                const lines = got.stderr.split('\n').filter((l) => l && !/warning|self-signed/.test(l));
                is(got.status, 3, `${how}: ${got.stderr}`);
                is(lines.length, 1, `${how}: ${got.stderr}`);
                ok(lines[0].includes(name) && says.test(lines[0]), `${how}: ${got.stderr}`);
            }
        });
}

async function mending(w) {
    for (const how of every)
        await test(`what can be made anew, ${how}: it starts and guards`, async () => {
            for (const name of mended)
                if (fs.existsSync(path.join(w.state, name)))
                    damage(path.join(w.state, name), how);
            await w.run();
            await guards(w, how);
            is((await w.get('/v1/files/file-mock')).status, 200, 'a file of before');
            await w.stop();
            intact(w, how);
        });
}

const log = (w) => JSON.parse(w.cli('access', 'log', '--event', 'call', '--limit', '1000', '--format', 'json')).items;

// Answered while the daemon stood still: the entries lie in the ring.
async function waiting(w) {
    await test('entries that wait in a ring are read when the page that counts the rings is lost, or put away', async () => {
        await w.run();
        const { daemon, parent, master, workers } = w.pids();
        process.kill(daemon, 'SIGSTOP');
        const ids = [];
        for (let i = 0; i < 5; i++)
            ids.push((await w.post(chat, say('x'))).headers['x-bartizan-request-id']);
        for (const p of new Set([...workers, master, daemon, parent]))
            process.kill(p, 'SIGKILL');
        await until('an end', () => w.gone !== undefined && [master, ...workers].every((p) => !fs.existsSync(`/proc/${p}`)));
        fs.renameSync(path.join(w.state, 'gate/journal/control'), path.join(w.dir, 'control.away'));
        await w.run();
        is((await w.post(chat, say('x'))).status, 200, 'afterwards');
        await until('the entries', () => {
            const there = new Set(log(w).map((e) => e.request));
            return ids.every((id) => there.has(id));
        });
        await w.stop();
        intact(w, 'afterwards');
    });
}

async function pins(w) {
    const file = path.join(w.state, 'gate/pins/words');
    const ask = async () => (await w.post('/mcp/words', list));
    const honest = fs.readFileSync(file, 'utf8'), other = honest.replace(/[0-9a-f]{64}/, '0'.repeat(64));
    const tools = (a) => a.json?.result?.tools?.length;
    await test('pins: another description is taken out; lines that cannot be read are not taken for tools that were never seen', async () => {
        is(tools(await ask()), 1, 'as it was pinned');
        fs.writeFileSync(file, other);
        is(tools(await ask()), 0, 'another digest');
        for (const [what, text] of [['cut in its middle', other.slice(0, 30) + '\n'], ['no digest', other.replace(/0/g, 'x')], ['a line of random bytes', crypto.randomBytes(60).toString('base64') + '\n' + other], ['no name', other.replace('lookup', '')]]) {
            fs.writeFileSync(file, text);
            const a = await ask();
            is(`${a.status} ${tools(a)}`, '503 undefined', `${what}: ${a.text}`);
            ok(/pins of tools/.test(a.text) && !a.text.includes(w.state), a.text);
            const e = await until('the entry', () => log(w).find((i) => i.request === a.headers['x-bartizan-request-id']));
            ok(/pins\/words:1: no pin of a tool/.test(e.reason) && /mend the line/.test(e.reason), JSON.stringify(e));
            is(fs.readFileSync(file, 'utf8'), text, 'the file');
        }
    });
    await test('pins: a last line that was not written to its end is written anew', async () => {
        fs.writeFileSync(file, 'elsewhere ' + 'a'.repeat(64) + '\nlook');
        is(tools(await ask()), 1, 'seen first');
        is(fs.readFileSync(file, 'utf8'), 'elsewhere ' + 'a'.repeat(64) + '\n' + honest, 'the file');
        is(tools(await ask()), 1, 'again');
    });
}

const write = (file, bytes) => {
    const fd = fs.openSync(file, 'r+');
    fs.writeSync(fd, bytes, 0, bytes.length, 0);
    fs.closeSync(fd);
};

// Cut or overwritten where it is, with the workers' and the daemon's maps upon it.
const live = {
    cut: (file) => fs.truncateSync(file, 0),
    halved: (file) => fs.truncateSync(file, fs.statSync(file).size >> 1),
    overwritten: (file) => write(file, crypto.randomBytes(fs.statSync(file).size)),
};

// Whose processes they are, in one line: the same line is the same processes.
const processes = (w) => JSON.stringify(w.pids());
const about = (w, from) => fs.readFileSync(path.join(w.dir, 'gate.err'), 'utf8').slice(from);
const uploaded = (w) => w.post('/v1/files', upload, { headers: { 'Content-Type': 'multipart/form-data; boundary=x' } });

async function overwriting(w) {
    for (const names of [['gate/circuits', 'gate/metrics', 'access/generation'], ['gate/owned'], ['gate/limits'], ['access/snapshot']])
        await test(`${names.join(', ')}, while it runs, overwritten: never unguarded, and it goes on, or says what to do`, async () => {
            const files = names.map((name) => path.join(w.state, name)), kept = files.map((file) => fs.readFileSync(file));
            const logged = fs.statSync(path.join(w.dir, 'gate.err')).size, before = processes(w);
            files.forEach(live.overwritten);
            for (let i = 0; i < 3; i++) {
                const a = await w.post(chat, say('x')), b = await w.post(chat, say('x'), { key: 'btz_wrong' });
                ok([200, 503].includes(a.status), `${a.status} ${a.text}`);
                ok([401, 503].includes(b.status), `without a key: ${b.status} ${b.text}`);
            }
            const last = await w.post(chat, say('x')), told = about(w, logged);
            ok(last.status === 200 || /limits|permissions/.test(last.text) || names.some((name) => told.includes(name)), `${last.text} ${told}`);
            is(processes(w), before, 'processes');
            await w.stop();
            files.forEach((file, i) => fs.writeFileSync(file, kept[i], { mode: 0o600 })); // as from a backup
            await w.run();
            await guards(w, 'put back');
        });
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Requests one behind the other in four lanes while something is done; their answers.
async function meanwhile(w, act) {
    const answers = [];
    let over = false;
    const lanes = [0, 1, 2, 3].map(async (lane) => {
        while (!over) {
            answers.push(await w.post(chat, say('x'), lane === 3 ? { key: 'btz_wrong' } : {}).catch((error) => ({ status: error.code, text: '', headers: {} })));
            await pause(lane === 3 ? 30 : 3); // above 100 a second who is nobody gets 429
        }
    });
    await pause(50);
    await act();
    await pause(150);
    over = true;
    await Promise.all(lanes);
    return answers;
}

// What has to be put right by somebody: the file, what is refused, and what the entry of a request says.
const broken = {
    'gate/limits': { ask: (w) => w.post(chat, say('x')), code: 'limits_unavailable', says: /gate\/limits: cut while in use; move it away, and `bartizan gate reload`/ },
    'gate/owned': { ask: (w) => w.get('/v1/files/file-mock'), code: 'owners_unavailable', says: /gate\/owned: cut while in use; put it back from a backup, or move it away/ },
};
const ring = (w) => fs.readdirSync(path.join(w.state, 'gate/journal')).filter((f) => f.startsWith('ring-') && spawnSync('grep', ['-qs', f, ...w.pids().workers.map((p) => `/proc/${p}/maps`)]).status === 0).map((f) => `gate/journal/${f}`);

async function cutting(w, mode) {
    const acknowledged = new Set();
    for (const name of ['access/generation', 'access/snapshot', 'gate/circuits', 'gate/metrics', 'gate/journal/control', 'a ring of the journal', 'gate/owned', 'gate/limits'])
        for (const how of ['cut', 'halved'])
            await test(`${mode}: ${name}, ${how} while it is mapped: the processes go on, nobody's connection is lost, all that was answered is in the ledger`, async () => {
                const files = name.startsWith('a ') ? ring(w) : [name], before = processes(w);
                ok(files.length > 0, 'a file');
                const kept = files.map((f) => fs.readFileSync(path.join(w.state, f)));
                const answers = await meanwhile(w, () => files.forEach((f) => live[how](path.join(w.state, f))));
                for (const a of answers) {
                    ok([200, 401, 503].includes(a.status), `${a.status} ${a.text}`);
                    ok(a.status !== 503 || (a.json.error.message && !a.text.includes(w.state)), a.text);
                    if (a.status === 200 && mode === 'durable')
                        acknowledged.add(a.headers['x-bartizan-request-id']);
                }
                is(processes(w), before, 'processes');
                const b = broken[name];
                if (b) {
                    const a = await until('a refusal', async () => {
                        const a = await b.ask(w);
                        return a.status === 503 && a;
                    });
                    is(a.json.error.code, b.code, a.text);
                    const e = await until('the entry', () => log(w).find((i) => i.request === a.headers['x-bartizan-request-id'] && i.reason));
                    ok(b.says.test(e.reason), e.reason);
                    fs.renameSync(path.join(w.state, name), path.join(w.dir, `away.${how}`));
                    const old = w.pids().workers;
                    w.cli('gate', 'reload');
                    await until('new workers', () => {
                        const { workers } = w.pids();
                        return workers.length === 1 && !old.includes(workers[0]);
                    });
                } else if (name.startsWith('access/')) {
                    fs.writeFileSync(path.join(w.state, name), kept[0]);
                } else if (name.endsWith('control') && how === 'halved') {
                    fs.truncateSync(path.join(w.state, name), kept[0].length); // else the next start says that it is to be moved away
                }
                await until('service', async () => (await w.post(chat, say('x'))).status === 200);
                await guards(w, 'afterwards');
                is((await uploaded(w)).status, 200, 'a file');
                is((await w.get('/v1/files/file-mock')).status, 200, 'and its owner');
                const metrics = spawnSync('curl', ['-sSf', '--max-time', '20', '--unix-socket', path.join(w.state, 'access/local.sock'), '-H', 'X-Bartizan-Local: 1', 'http://x/metrics'], { encoding: 'utf8' });
                ok(metrics.status === 0 && metrics.stdout.includes('bartizan_gate_requests_total{route="chat",outcome="ok"}'), metrics.stdout + metrics.stderr);
                const { parent, daemon, master } = w.pids(), old = JSON.parse(before);
                is(`${parent} ${daemon} ${master}`, `${old.parent} ${old.daemon} ${old.master}`, 'processes in the end');
                await until('the entries', () => {
                    const there = new Set(log(w).map((e) => e.request));
                    return [...acknowledged].every((id) => there.has(id));
                });
                acknowledged.clear();
            });
    is(await w.stop(), 0, 'exit status');
    intact(w, 'afterwards');
}

async function main(work) {
    const mock = await Mock.start();
    const w = await Gateway.start(work, mock, { gate: { limits: [{ each: 'principal', requests_per_minute: 100000 }] } });
    try {
        is((await w.post('/mcp/words', list)).status, 200, 'a list of tools');
        is((await uploaded(w)).status, 200, 'a file');
        const part = async (run, ...args) => !process.env.BTZ_ONLY || process.env.BTZ_ONLY.split(',').includes(run.name) ? run(w, ...args) : undefined;
        await part(pins);
        await w.stop();
        await part(refusals);
        await part(mending);
        await part(waiting);
        await w.run();
        await part(overwriting);
        await part(cutting, 'async');
        w.settings.gate.audit = { mode: 'durable' };
        w.write();
        await w.stop();
        await w.run();
        await part(cutting, 'durable');
    } finally {
        await w.stop();
        await mock.stop();
    }
}

program('damage', main);
