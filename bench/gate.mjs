// What the gateway costs. Everything in one run on one machine: a mock model server, stock nginx as a plain proxy before it,
// bartizan with identity, policy, limits, normalisation, deterministic guards and audit on (with and without the classifier), and
// a Node gateway. One JSON object a figure; medians of several rounds.
//
//   node bench/gate.mjs BUILD [--rounds 3] [--requests 200000] [--portkey FOLDER] [--only rows,...]
//
// FOLDER is where `npm install @portkey-ai/gateway@1.15.2` was run. Linux only: CPU time is read from /proc.
import { createRequire } from 'node:module';
import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const args = process.argv.slice(2);
const option = (name, fallback) => (args.includes(`--${name}`) ? args[args.indexOf(`--${name}`) + 1] : fallback);
const build = path.resolve(args[0] ?? 'build');
const rounds = Number(option('rounds', 3)), requests = Number(option('requests', 200000));
const only = option('only', '').split(',').filter(Boolean);
process.env.BTZ_BUILD = build;
process.env.BTZ_BIN ??= path.join(build, 'bartizan');
const require = createRequire(import.meta.url);
const { Mock, Gateway, request, child, gone, freePort, until } = require('../tests/gateway/world.js');
const run = promisify(execFile);
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'btz-bench-gate-'));
const load = path.join(build, 'tests/gateway/gate_load');
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const round = (x, digits = 1) => Number(x.toFixed(digits));
const tell = (o) => console.log(JSON.stringify(o));
const wanted = (name) => !only.length || only.includes(name);

// About 1 KB: a question of a person, no sentence twice.
const question = 'Could you tell me in a few words what the weather will be like on Thursday in Lisbon, and whether I should take an umbrella? We arrive with the late train from Porto, my sister, her two children and I, ' +
    'and we would like to walk from the station to the river before dinner. The older child is nine and tires after an hour. Last spring it rained every evening, so this time we packed coats, but no boots. ' +
    'If it stays dry, which of the small gardens near the castle are still open around six? Somebody at work recommended a bakery that sells custard tarts by the dozen; I forgot its name, something with a blue door. ' +
    'For Friday we thought of the tram up the hill, then lunch, then the museum of tiles until it closes. My sister prefers the beach, whatever the temperature of the water is in October. ' +
    'Please suggest two plans, one for sunshine and one for rain, each with three stops at most, and say roughly how long the ways between them take on foot.';
const ask = (more = {}, marker = '') => JSON.stringify({ model: 'mock-1', messages: [{ role: 'system', content: 'You are a helpful assistant.' }, { role: 'user', content: question + marker }], ...more });

function requestFile(name, body, headers) {
    const file = path.join(work, name);
    const lines = Object.entries({ Host: 'localhost', 'Content-Type': 'application/json', ...headers, 'Content-Length': Buffer.byteLength(body) }).map(([n, v]) => `${n}: ${v}\r\n`).join('');
    fs.writeFileSync(file, `POST /v1/chat/completions HTTP/1.1\r\n${lines}\r\n${body}`);
    return file;
}

// Nanoseconds on a processor, of processes with all their threads.
function cpu(pids) {
    let ns = 0;
    for (const p of pids)
        for (const t of fs.readdirSync(`/proc/${p}/task`))
            ns += Number(fs.readFileSync(`/proc/${p}/task/${t}/schedstat`, 'utf8').split(' ')[0]);
    return ns;
}
// Until they have done what was left to do.
async function rest(pids) {
    for (let last = -1, now = cpu(pids); now - last > 2e6; last = now, now = cpu(pids))
        await sleep(400);
}
const rss = (pids) => pids.reduce((sum, p) => sum + Number(/^Rss(?:Anon|):?\s+(\d+)/m.exec(fs.readFileSync(`/proc/${p}/smaps_rollup`, 'utf8'))?.[1] ?? 0), 0);
const pss = (pids) => pids.reduce((sum, p) => sum + Number(/^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${p}/smaps_rollup`, 'utf8'))[1]), 0);

async function loaded(...argv) {
    const { stdout } = await run(load, argv.map(String), { maxBuffer: 1 << 20 });
    const found = JSON.parse(stdout.trim().split('\n').pop());
    if (found.errors)
        throw new Error(`${argv.join(' ')}: ${found.errors} errors`);
    return found;
}

// wrk with 32 connections: its requests a second and latencies.
async function wrk(port, headers, body, seconds) {
    const script = path.join(work, 'wrk.lua');
    fs.writeFileSync(script, `wrk.method = "POST"\nwrk.body = [==[${body}]==]\n` + Object.entries({ 'Content-Type': 'application/json', ...headers }).map(([n, v]) => `wrk.headers["${n}"] = "${v}"\n`).join(''));
    const { stdout } = await run('wrk', ['-t1', '-c32', `-d${seconds}s`, '--latency', '-s', script, `http://127.0.0.1:${port}/v1/chat/completions`]);
    const time = (share) => {
        const [, n, unit] = new RegExp(`${share}%\\s+([\\d.]+)(us|ms|s)`).exec(stdout);
        return Number(n) * { us: 0.001, ms: 1, s: 1000 }[unit];
    };
    if (/Non-2xx|connect [1-9]|read [1-9]|write [1-9]/.test(stdout))
        throw new Error(stdout);
    return { count: Number(/(\d+) requests in/.exec(stdout)[1]), rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)[1]), p50_ms: time(50), p99_ms: time(99) };
}

async function nginx(mock) {
    const port = await freePort();
    const dir = path.join(work, 'nginx');
    fs.mkdirSync(dir);
    fs.writeFileSync(path.join(dir, 'nginx.conf'), `daemon off; worker_processes 1; pid ${dir}/pid; error_log stderr; worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http { access_log off; client_body_temp_path ${dir}/a; proxy_temp_path ${dir}/b; fastcgi_temp_path ${dir}/c; uwsgi_temp_path ${dir}/d; scgi_temp_path ${dir}/e;
 keepalive_requests 100000000; client_body_buffer_size 1m;
 upstream mock { server 127.0.0.1:${mock.port}; keepalive 64; keepalive_requests 100000000; }
 server { listen 127.0.0.1:${port}; location / { proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; } } }`);
    const p = child('/usr/sbin/nginx', ['-p', dir, '-c', path.join(dir, 'nginx.conf'), '-e', 'stderr'], { stdio: 'ignore' });
    await until('nginx', async () => (await request(port, '/_counts', { method: 'GET' })).status === 200);
    const kids = () => fs.readFileSync(`/proc/${p.pid}/task/${p.pid}/children`, 'utf8').trim().split(' ').map(Number);
    return { name: 'nginx', port, headers: {}, pids: kids, stop: () => gone(p, 'SIGTERM') };
}

async function bartizan(mock, name, guard, more = {}) {
    const w = await Gateway.start(work, mock, { name, gate: { workers: 1, guard, limits: [{ each: 'principal', requests_per_minute: 100000000, tokens_per_minute: 4000000000, concurrency: 5000, budget: 1000000 }, { each: 'model', requests_per_minute: 100000000 }], ...more } });
    const pids = () => {
        const p = w.pids();
        return [...new Set([...p.workers, p.master, p.daemon, p.parent])];
    };
    return { name, w, port: w.port, headers: w.auth(), pids, worker: () => w.pids().workers, stop: () => w.stop() };
}

async function portkey(mock) {
    const dir = option('portkey', '/tmp/outside/portkey');
    const main = path.join(dir, 'node_modules/@portkey-ai/gateway/build/start-server.js');
    if (!fs.existsSync(main))
        return null;
    const port = await freePort();
    const p = child('node', [main, '--headless', `--port=${port}`], { cwd: dir, stdio: 'ignore', env: { ...process.env, NODE_ENV: 'production' } });
    const headers = { Authorization: 'Bearer x', 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `http://127.0.0.1:${mock.port}/v1` };
    await until('portkey', async () => (await request(port, '/v1/chat/completions', { headers, body: ask() })).status === 200);
    return { name: '@portkey-ai/gateway 1.15.2', port, headers, pids: () => [p.pid], stop: () => gone(p, 'SIGKILL') };
}

// CPU and throughput: the servers in turn, `rounds` times.
async function cost(servers) {
    const found = new Map(servers.map((s) => [s, []]));
    for (const s of servers)
        await wrk(s.port, s.headers, ask(), 1);
    for (let i = 0; i < rounds; i++)
        for (const s of servers) {
            const before = cpu(s.pids());
            const r = await wrk(s.port, s.headers, ask(), 4);
            await rest(s.pids()); // what the daemon still writes belongs to it
            found.get(s).push({ ...r, us: (cpu(s.pids()) - before) / 1000 / r.count });
        }
    const of = (s, key) => median(found.get(s).map((r) => r[key]));
    for (const s of servers)
        tell({ bench: 'gate', what: 'wrk, 32 connections', server: s.name, cpu_us_per_request: round(of(s, 'us')), requests_per_second: round(of(s, 'rate'), 0), p50_ms: round(of(s, 'p50_ms'), 2), p99_ms: round(of(s, 'p99_ms'), 2), rounds });
    const base = servers.find((s) => s.name === 'nginx'), node = servers.find((s) => s.name.startsWith('@'));
    for (const s of servers.filter((x) => x.w)) {
        tell({ bench: 'gate', what: 'over plain nginx', server: s.name, cpu_us_per_request: round(of(s, 'us') - of(base, 'us')) });
        if (node)
            tell({ bench: 'gate', what: 'against the Node gateway', server: s.name, requests_per_second_ratio: round(of(s, 'rate') / of(node, 'rate')), cpu_ratio: round(of(node, 'us') / of(s, 'us')) });
    }
}

async function fixedRate(servers, mock) {
    const direct = { name: 'mock alone', port: mock.port, headers: {} };
    const all = [direct, ...servers.filter((s) => !s.name.startsWith('@'))];
    const found = new Map(all.map((s) => [s, []]));
    for (let i = 0; i < rounds; i++)
        for (const s of all)
            found.get(s).push(await loaded('rate', s.port, 3000, 64, 5, requestFile(`rate-${s.name}`.replace(/\W/g, ''), ask(), s.headers)));
    const of = (s, key) => median(found.get(s).map((r) => r[key]));
    for (const s of all)
        tell({ bench: 'gate', what: '3,000 requests/s, open loop', server: s.name, p50_us: of(s, 'p50_us'), p99_us: of(s, 'p99_us'), p999_us: of(s, 'p999_us'), added_p99_us: round(of(s, 'p99_us') - of(direct, 'p99_us')), rounds });
}

async function firstToken(servers, mock) {
    const direct = { name: 'mock alone', port: mock.port, headers: {} };
    const all = [direct, ...servers.filter((s) => !s.name.startsWith('@'))];
    const found = new Map(all.map((s) => [s, []]));
    for (let i = 0; i < rounds; i++)
        for (const s of all)
            found.get(s).push(await loaded('first', s.port, 2000, 1, 0, requestFile('first', ask({ stream: true }, 'mock:size=4;'), s.headers)));
    const of = (s, key) => median(found.get(s).map((r) => r[key]));
    for (const s of all)
        tell({ bench: 'gate', what: 'time to first token', server: s.name, p50_us: of(s, 'p50_us'), p99_us: of(s, 'p99_us'), added_p50_us: round(of(s, 'p50_us') - of(direct, 'p50_us')), added_p99_us: round(of(s, 'p99_us') - of(direct, 'p99_us')), rounds });
}

async function idle(s) {
    const before = pss(s.pids());
    const file = requestFile('idle', ask({ stream: true }, 'mock:size=4,hold=60000;'), s.headers);
    const p = spawn(load, ['idle', s.port, 1000, 1000, 4, file].map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((done) => p.once('exit', done));
    await new Promise((done, fail) => {
        p.stdout.once('data', done);
        p.once('exit', () => fail(new Error('no idle streams')));
    });
    tell({ bench: 'gate', what: '1,000 idle streams', server: s.name, memory_growth_mib: round((pss(s.pids()) - before) / 1024), before_mib: round(before / 1024) });
    await ended;
}

async function growth(s) {
    const file = requestFile('growth', ask(), s.headers);
    await loaded('count', s.port, 20000, 32, 0, file);
    await sleep(1500);
    const size = () => ({ worker: pss(s.worker()) / 1024, all: pss(s.pids()) / 1024 });
    const points = [size()];
    for (let i = 0; i < 4; i++) {
        await loaded('count', s.port, Math.floor(requests / 4), 32, 0, file);
        await sleep(1500);
        points.push(size());
    }
    tell({ bench: 'gate', what: `memory over ${requests} requests`, server: s.name, worker_mib: points.map((p) => round(p.worker, 2)), all_mib: points.map((p) => round(p.all, 2)) });
}

const mock = await Mock.start();
const servers = [];
try {
    servers.push(await nginx(mock));
    const off = [{ detector: 'injection', action: 'observe', threshold: -1 }];
    if (!args.includes('--peers'))
        servers.push(await bartizan(mock, 'bartizan', {}));
    if (process.env.BTZ_BENCH_CLASSIFIER_OFF)
        servers.push(await bartizan(mock, 'bartizan without the classifier', { rules: off }));
    const node = wanted('cost') ? await portkey(mock) : null;
    if (node)
        servers.push(node);
    if (wanted('cost'))
        await cost(servers);
    await node?.stop();
    if (wanted('rate'))
        await fixedRate(servers, mock);
    if (wanted('first'))
        await firstToken(servers, mock);
    for (const s of servers.filter((x) => x.w)) {
        if (wanted('idle'))
            await idle(s);
        if (wanted('growth'))
            await growth(s);
    }
} finally {
    for (const s of servers)
        await s.stop();
    await mock.stop();
    fs.rmSync(work, { recursive: true, force: true });
}
