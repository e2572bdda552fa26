// world: a mock model server, and bartizan's gateway in front of it, on loopback. BTZ_GATE_DIRECT=1 leaves the gateway out:
// then the tests check the mock and themselves.
'use strict';
const { spawn, spawnSync } = require('child_process');
const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const path = require('path');
const { freePort, until } = require('../browser/driver.js');
const { plan, test } = require('../browser/tap.js');

const direct = process.env.BTZ_GATE_DIRECT === '1';
const canary = 'CANARY-zebra-41-quartz'; // what must never leave
const upstreamKey = 'upstream-credential-of-the-tests';
const credentials = { ...process.env, BTZ_TEST_CREDENTIAL: upstreamKey };
const children = new Set();

function child(command, args, options) {
    const p = spawn(command, args, options);
    children.add(p);
    p.on('exit', () => children.delete(p));
    return p;
}
process.on('exit', () => children.forEach((p) => p.kill('SIGKILL')));
for (const signal of ['SIGTERM', 'SIGINT'])
    process.on(signal, () => process.exit(1));

// Bytes in, bytes out: { status, headers, body (Buffer), text, json }.
function request(port, target, { method = 'POST', headers = {}, body, agent, signal } = {}) {
    const data = body === undefined ? null : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return new Promise((done, fail) => {
        const req = http.request({
            host: '127.0.0.1', port, path: target, method, agent: agent ?? false, signal,
            headers: { ...(data === null ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(data) }), ...headers },
        }, (answer) => {
            const parts = [];
            let lost = false;
            answer.on('data', (d) => parts.push(d));
            answer.on('error', () => (lost = true));
            answer.on('close', () => {
                const bytes = Buffer.concat(parts);
                const text = bytes.toString();
                let json = null;
                try {
                    json = JSON.parse(text);
                } catch { /* not JSON */ }
                done({ status: answer.statusCode, headers: answer.headers, body: bytes, text, json, lost: lost || !answer.complete });
            });
        });
        req.on('error', fail);
        req.end(data ?? undefined);
    });
}

// Sends bytes as they are, returns what came until the peer closed, or `ms` passed in silence.
function raw(port, bytes, ms = 1500) {
    return new Promise((done) => {
        const parts = [];
        const s = net.connect(port, '127.0.0.1', () => {
            for (const b of [bytes].flat())
                s.write(b);
        });
        const end = () => {
            s.destroy();
            done(Buffer.concat(parts).toString('latin1'));
        };
        s.setTimeout(ms, end);
        s.on('data', (d) => parts.push(d));
        s.on('error', end);
        s.on('close', end);
    });
}

class Mock {
    static async start(port = 0) {
        const mock = new Mock();
        mock.process = child(path.join(process.env.BTZ_BUILD, 'tests/gateway/mock_upstream'), [String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
        mock.port = await new Promise((done, fail) => {
            mock.process.stdout.once('data', (d) => done(Number(d)));
            mock.process.once('exit', () => fail(new Error('the mock ended')));
        });
        mock.url = `http://127.0.0.1:${mock.port}`;
        mock.texts = new Map();
        return mock;
    }

    // A number under which requests can ask for the text.
    async say(text, number) {
        if (!number && this.texts.has(text))
            return this.texts.get(text);
        const n = number || this.texts.size + 1;
        const answer = await request(this.port, `/_text/${n}`, { method: 'PUT', body: text });
        if (answer.status !== 200)
            throw new Error('the mock takes no more texts');
        this.texts.set(text, n);
        return n;
    }

    // What it was asked since the last time.
    async seen() {
        return (await request(this.port, '/_seen', { method: 'GET' })).json.map(({ head, body }) => {
            const [line, ...rest] = head.trim().split('\r\n');
            const headers = rest.map((h) => [h.slice(0, h.indexOf(':')).toLowerCase(), h.slice(h.indexOf(':') + 1).trim()]);
            return { line, headers, all: (name) => headers.filter(([n]) => n === name).map(([, v]) => v), body };
        });
    }

    async counts() {
        return (await request(this.port, '/_counts', { method: 'GET' })).json;
    }

    stop() {
        return gone(this.process, 'SIGKILL');
    }
}

function gone(p, signal) {
    if (p.exitCode !== null || p.signalCode !== null)
        return Promise.resolve(p.exitCode);
    const ended = new Promise((done) => p.once('exit', done));
    p.kill(signal);
    return ended;
}

// The section `gate:` that the tests begin with.
function section(mock, more = {}) {
    const upstream = (name, dialect, as = 'bearer') => ({ name, url: mock.url, dialect, credential: '${BTZ_TEST_CREDENTIAL}', credential_as: as, break_after: 0 });
    const { guard, ...rest } = more;
    return {
        upstreams: [upstream('openai', 'openai'), upstream('anthropic', 'anthropic', 'x-api-key'), upstream('ollama', 'ollama'), upstream('tools', 'mcp'), upstream('plain', 'plain')],
        models: [
            { name: 'mock-1', upstreams: [{ upstream: 'openai' }] }, { name: 'mock*', upstreams: [{ upstream: 'openai' }] }, { name: 'secret-model', upstreams: [{ upstream: 'openai' }] }, { name: 'gpt-image*', upstreams: [{ upstream: 'openai' }] },
            { name: 'claude*', upstreams: [{ upstream: 'anthropic' }] }, { name: 'llama*', upstreams: [{ upstream: 'ollama' }] },
        ],
        routes: [{ path: '/score', upstream: 'plain', resource: 'endpoint/score' }, { path: '/socket', upstream: 'plain', resource: 'endpoint/socket', methods: ['GET'], websocket: true }],
        mcp: [{ name: 'words', upstream: 'tools' }],
        guard: { canaries: [canary], ...guard, rules: [...(guard?.rules ?? []), { detector: 'canary', action: 'block' }] },
        ...rest,
    };
}

class Gateway {
    // `gate`: more of the section; `access`: of that one; `mock`: the upstream; `options`: of `gate run`; `env`: more of it;
    // `via`: words of a command that runs it.
    static async start(work, mock, { gate = {}, access = {}, name = 'gate', people = true, options = [], env = {}, via = [] } = {}) {
        const w = new Gateway();
        w.mock = mock;
        w.options = options;
        w.via = via;
        w.env = { ...credentials, ...env };
        w.dir = path.join(work, name);
        w.state = path.join(w.dir, 'state');
        w.keys = {};
        w.port = await freePort();
        do
            w.tls = await freePort();
        while (w.tls === w.port);
        w.url = `http://127.0.0.1:${w.port}`;
        if (direct) {
            w.port = mock.port;
            w.url = mock.url;
            w.key = 'btz_none';
            return w;
        }
        fs.mkdirSync(w.dir, { recursive: true });
        w.settings = { version: 1, access: { origin: `https://localhost:${w.tls}`, ...access }, gate: section(mock, { http: `127.0.0.1:${w.port}`, workers: 1, ...gate }) };
        w.write();
        if (people) {
            w.link = w.cli('access', 'init', 'alice').match(/https:\S+/)?.[0];
            w.key = w.service('app', ['user'], 'model.invoke model/mock*', 'model.invoke model/claude*', 'model.invoke model/llama*', 'model.invoke model/gpt-image*', 'model.list *', 'endpoint.use *', 'tool.call *', 'tool.list *');
        }
        await w.run();
        return w;
    }

    write() {
        fs.writeFileSync(path.join(this.dir, 'bartizan.yaml'), JSON.stringify(this.settings, null, 1));
    }

    async run() {
        this.gone = undefined;
        const started = this.process = child(...((all) => [all[0], all.slice(1)])([...this.via, process.env.BTZ_BIN, 'gate', 'run', '--listen', `localhost:${this.tls}`, '--state', this.state, ...this.options]), {
            cwd: this.dir, env: this.env, stdio: ['ignore', fs.openSync(path.join(this.dir, 'gate.log'), 'a'), fs.openSync(path.join(this.dir, 'gate.err'), 'a')],
        });
        started.on('exit', (code) => {
            if (this.process === started) // not an earlier one whose end is told late
                this.gone = code ?? -1;
        });
        await until('the gateway', async () => {
            if (this.gone !== undefined)
                throw Object.assign(new Error(`gate run ended with ${this.gone}`), { final: true });
            return (await request(this.port, '/v1/models', { method: 'GET', headers: this.auth() })).status === (this.key ? 200 : 401);
        }).catch((error) => {
            throw new Error(`${error.message}\n${this.log()}`);
        });
    }

    cli(...args) {
        const done = spawnSync(process.env.BTZ_BIN, [...args, '--state', this.state], { cwd: this.dir, env: credentials, encoding: 'utf8', maxBuffer: 1 << 28 });
        if (done.status !== 0)
            throw new Error(`bartizan ${args.join(' ')}: ${done.status}: ${done.stderr}`);
        return done.stdout;
    }

    // Asks the daemon on its local socket, which takes a hundredth of a program's start.
    local(where, body) {
        const done = spawnSync('curl', ['-sSf', '--max-time', '60', '--unix-socket', path.join(this.state, 'access/local.sock'), '-H', 'X-Bartizan-Local: 1', '-H', 'Content-Type: application/json', `http://x${where}`, '-d', JSON.stringify(body)], { encoding: 'utf8' });
        if (done.status !== 0)
            throw new Error(`${where}: ${done.stderr}`);
        return JSON.parse(done.stdout);
    }

    // A service with roles and a key; the key.
    service(name, roles, ...scopes) {
        if (this.running) {
            this.local('/v1/services', { name });
            for (const role of roles)
                this.local('/v1/bindings', { role, subject: name, reason: 'tests' });
            return this.newKey(name, name, ...scopes);
        }
        this.cli('access', 'service', 'add', name);
        for (const role of roles)
            this.cli('access', 'role', 'give', role, name, '--reason', 'tests');
        return this.newKey(name, name, ...scopes);
    }

    newKey(service, name, ...scopes) {
        if (this.running)
            return this.local('/v1/keys', { principal: service, name, life: '1d', ...(scopes.length ? { scopes } : {}) }).secret;
        return this.cli('access', 'key', 'add', service, '--name', name, '--life', '1d', ...scopes.flatMap((s) => ['--scopes', s])).match(/btz_[A-Za-z0-9_]{30,}/)[0];
    }

    get running() {
        return this.process && this.gone === undefined && fs.existsSync(path.join(this.state, 'access/local.sock'));
    }

    auth(key = this.key) {
        return key ? { Authorization: `Bearer ${key}` } : {};
    }

    post(target, body, more = {}) {
        return request(this.port, target, { body, ...more, headers: { ...this.auth(more.key), ...more.headers } });
    }

    get(target, more = {}) {
        return request(this.port, target, { method: 'GET', ...more, headers: { ...this.auth(more.key), ...more.headers } });
    }

    log() {
        const tail = (f) => (fs.existsSync(f) ? fs.readFileSync(f, 'utf8').split('\n').slice(-8).join('\n') : '');
        return tail(path.join(this.dir, 'gate.err')) + tail(path.join(this.state, 'gate/error.log'));
    }

    // Processes of this gateway: { master, workers, daemon, parent }.
    pids() {
        const kids = (p) => fs.readFileSync(`/proc/${p}/task/${p}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
        const name = (p) => fs.readFileSync(`/proc/${p}/cmdline`, 'utf8');
        const found = { parent: this.process.pid, workers: [] };
        for (const p of kids(this.process.pid)) {
            if (name(p).startsWith('nginx')) {
                found.master = p;
                found.workers = kids(p).filter((k) => name(k).includes('worker'));
            } else {
                found.daemon = p;
            }
        }
        found.daemon ??= found.parent;
        return found;
    }

    stop() {
        return this.process ? gone(this.process, 'SIGTERM') : Promise.resolve(0);
    }
}

// The clock of all that the gateway is of goes on, never back.
function clock(work) {
    const file = path.join(work, 'ahead');
    let ahead = 0n;
    const c = {
        env: { LD_PRELOAD: path.join(process.env.BTZ_BUILD, 'tests/gateway/ahead.so'), BTZ_TEST_AHEAD: file },
        later: (minutes) => {
            const bytes = Buffer.alloc(8);
            bytes.writeBigInt64LE(ahead += BigInt(minutes * 60));
            fs.writeFileSync(file, bytes, { flag: fs.existsSync(file) ? 'r+' : 'w' });
        },
        date: () => new Date(Date.now() + Number(ahead) * 1000),
    };
    c.later(0);
    return c;
}

// Runs the tests of a program in a folder of its own (BTZ_KEEP=1 keeps it), tells the plan, ends.
function program(name, run) {
    const work = fs.mkdtempSync(path.join(os.tmpdir(), `btz-${name}-`));
    process.on('exit', () => process.env.BTZ_KEEP || fs.rmSync(work, { recursive: true, force: true }));
    run(work).catch((error) => test('the tests go through', () => {
        throw error;
    })).then(() => process.exit(plan() ? 1 : 0));
}

module.exports = { program, clock, Mock, Gateway, request, raw, section, child, gone, canary, upstreamKey, direct, until, freePort };
