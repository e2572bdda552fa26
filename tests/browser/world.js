// world: the real program on loopback, people in it, and a browser.
'use strict';
const { spawn, spawnSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const { request, Authenticator } = require('./client.js');
const { Driver, freePort, until } = require('./driver.js');

const nasty = '<img src=x onerror="document.title=\'pwned\'">"\'&</script><b>{{7*7}}';
const password = 'four unrelated words here';

class World {
    static async start(work) {
        const world = new World();
        world.port = await freePort();
        world.base = `https://localhost:${world.port}`;
        world.dir = path.join(work, 'world');
        fs.mkdirSync(world.dir);
        world.state = path.join(world.dir, 'state');
        fs.writeFileSync(path.join(world.dir, 'bartizan.yaml'), `version: 1\naccess:\n  origin: ${world.base}\n  step_up: 10s\n  four_eyes: [policy.delete]\n`);
        world.link = world.cli('access', 'init', 'alice').match(/https:\S+/)[0];
        world.gate = spawn(process.env.BTZ_BIN, ['gate', 'run', '--listen', `localhost:${world.port}`, '--state', world.state], { cwd: world.dir, stdio: ['ignore', fs.openSync(path.join(world.dir, 'gate.log'), 'w'), fs.openSync(path.join(world.dir, 'gate.err'), 'w')] });
        world.gate.on('exit', (code) => {
            world.gone = code ?? -1;
        });
        await until('the server', async () => {
            if (world.gone !== undefined)
                throw new Error(`gate run ended with ${world.gone}`);
            return (await request(world.base, '/v1/health')).status === 200;
        }).catch((error) => {
            throw new Error(`${error.message}\n${world.log()}`);
        });
        world.driver = await Driver.start();
        return world;
    }

    cli(...args) {
        const done = spawnSync(process.env.BTZ_BIN, [...args, '--state', this.state], { cwd: this.dir, encoding: 'utf8' });
        if (done.status !== 0)
            throw new Error(`bartizan ${args.join(' ')}: ${done.status}: ${done.stderr}`);
        return done.stdout;
    }

    log() {
        return fs.readFileSync(path.join(this.dir, 'gate.err'), 'utf8').split('\n').slice(-8).join('\n');
    }

    async stop() {
        await this.driver?.stop().catch(() => {});
        if (this.gate && this.gone === undefined) {
            const gone = new Promise((done) => this.gate.once('exit', done));
            this.gate.kill('SIGTERM');
            await gone;
        }
        return this.gone;
    }

    // A request of somebody, with his cookie, as a page of ours would send it.
    api(cookie, method, where, body, headers = {}) {
        return request(this.base, where, {
            method, body: method === 'GET' ? undefined : body ?? {},
            headers: { Origin: this.base, 'Sec-Fetch-Site': 'same-origin', 'X-Bartizan-CSRF': '1', ...(cookie ? { Cookie: cookie } : {}), ...headers },
        });
    }

    // Sets a new person up over the API, from the link to the second factor. Returns { cookie, app }.
    async enrol(link, headers = {}) {
        const token = new URL(link).hash.slice(1) || new URL(link).searchParams.get('token');
        let cookie = cookieOf(await this.api(null, 'POST', '/v1/enrol', { token, password }, headers));
        const setup = await this.api(cookie, 'POST', '/v1/me/totp', {}, headers);
        if (setup.status !== 200)
            throw new Error(`totp: ${setup.status} ${setup.text}`);
        const app = new Authenticator(setup.json.secret);
        const confirmed = await this.api(cookie, 'POST', '/v1/me/totp/confirm', { code: await app.code() }, headers);
        cookie = cookieOf(confirmed) || cookie;
        return { cookie, app };
    }
}

function cookieOf(answer) {
    const all = answer.headers['set-cookie'];
    return all && all[0].split(';')[0];
}

module.exports = { World, cookieOf, nasty, password };
