// driver: the little of the W3C WebDriver protocol that the tests need, over fetch. No packages.
'use strict';
const { spawn } = require('child_process');
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');

const element = 'element-6066-11e4-a52e-4f735466cecf';
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function freePort() {
    return new Promise((done, fail) => {
        const server = net.createServer();
        server.on('error', fail);
        server.listen(0, '127.0.0.1', () => {
            const { port } = server.address();
            server.close(() => done(port));
        });
    });
}

async function until(what, probe, ms = 60000) {
    const end = Date.now() + ms;
    let last;
    while (Date.now() < end) {
        try {
            last = await probe();
            if (last)
                return last;
        } catch (error) {
            last = error;
            if (error.final) // it will not come
                break;
        }
        await sleep(40);
    }
    throw new Error(`waited in vain for ${what}${last instanceof Error ? ': ' + last.message : ''}`);
}

class Driver {
    static async start() {
        const driver = new Driver();
        driver.browsers = new Set();
        const port = await freePort();
        driver.home = fs.mkdtempSync(path.join(os.tmpdir(), 'btz-browser-'));
        driver.base = `http://127.0.0.1:${port}`;
        driver.process = spawn('chromedriver', [`--port=${port}`, '--log-level=OFF'], {
            stdio: 'ignore', env: { ...process.env, HOME: driver.home, TMPDIR: driver.home },
        });
        await until('chromedriver', async () => (await fetch(driver.base + '/status')).ok);
        return driver;
    }

    // Browsers that a failed test left open end too.
    async stop() {
        for (const browser of [...this.browsers])
            await browser.close().catch(() => {});
        const gone = new Promise((done) => this.process.once('exit', done));
        this.process.kill('SIGTERM');
        await gone;
        fs.rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
    }

    async request(method, where, body) {
        const answer = await fetch(this.base + where, {
            method, headers: { 'Content-Type': 'application/json' }, body: method === 'POST' ? JSON.stringify(body ?? {}) : undefined,
        });
        const { value } = await answer.json();
        if (!answer.ok)
            throw Object.assign(new Error(`${value.error}: ${value.message.split('\n')[0]}`), { code: value.error });
        return value;
    }

    // options: { dark, width, height, hosts: "MAP other.test 127.0.0.1" }
    async browser(options = {}) {
        const args = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-extensions', '--disable-background-networking',
            '--disable-component-update', '--disable-sync', '--lang=en-GB', '--hide-scrollbars', '--force-device-scale-factor=1', `--window-size=${options.width || 1280},${options.height || 900}`];
        if (options.hosts)
            args.push(`--host-resolver-rules=${options.hosts}`);
        const value = await this.request('POST', '/session', {
            capabilities: { alwaysMatch: {
                browserName: 'chrome', acceptInsecureCerts: true, pageLoadStrategy: 'normal', 'webauthn:virtualAuthenticators': true,
                'goog:chromeOptions': { args, binary: process.env.BTZ_CHROMIUM || undefined }, 'goog:loggingPrefs': { browser: 'ALL', performance: 'ALL' },
            } },
        });
        const browser = new Browser(this, value.sessionId);
        this.browsers.add(browser);
        await browser.devtools('Emulation.setFocusEmulationEnabled', { enabled: true });
        return browser;
    }
}

class Browser {
    constructor(driver, id) {
        this.driver = driver;
        this.id = id;
    }

    call(method, where, body) {
        return this.driver.request(method, `/session/${this.id}${where}`, body);
    }

    close() {
        this.driver.browsers.delete(this);
        return this.call('DELETE', '');
    }

    // Opens a page and waits until its script says that it is drawn.
    async open(url) {
        await this.call('POST', '/url', { url });
        await this.settled();
    }

    settled() {
        return until('the page', () => this.run(`return document.documentElement.dataset.ready === 'yes' && !document.querySelector('[aria-busy]')`));
    }

    url() {
        return this.call('GET', '/url');
    }

    run(script, ...args) {
        return this.call('POST', '/execute/sync', { script, args });
    }

    wait(script, ...args) { // the script's promise
        return this.call('POST', '/execute/async', {
            script: `const done = arguments[arguments.length - 1]; (async (...args) => { ${script} })(...[...arguments].slice(0, -1)).then((v) => done({ v }), (e) => done({ e: String(e) }));`, args,
        }).then((r) => {
            if (r.e)
                throw new Error(r.e);
            return r.v;
        });
    }

    devtools(cmd, params = {}) {
        return this.call('POST', '/goog/cdp/execute', { cmd, params });
    }

    dark(on) {
        return this.devtools('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: on ? 'dark' : 'light' }] });
    }

    size(width, height) {
        return this.devtools('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
    }

    async find(css) {
        return (await this.call('POST', '/element', { using: 'css selector', value: css }))[element];
    }

    async all(css) {
        return (await this.call('POST', '/elements', { using: 'css selector', value: css })).map((e) => e[element]);
    }

    // The button or link that a person sees with this text, in the topmost dialog if there is one.
    async named(text, tags = 'button, a, summary') {
        return until(`"${text}"`, async () => {
            const found = await this.run(`const open = [...document.querySelectorAll('dialog[open]')].pop() || document;
                return [...open.querySelectorAll(arguments[1])].find((e) => e.checkVisibility() && e.textContent.trim().replace(/\\s+/g, ' ') === arguments[0]) || null`, text, tags);
            return found && found[element];
        });
    }

    async click(text) {
        await this.call('POST', `/element/${await this.named(text)}/click`);
    }

    async type(css, text) {
        const id = await until(css, () => this.find(css));
        await this.call('POST', `/element/${id}/clear`).catch(() => {});
        await this.call('POST', `/element/${id}/value`, { text });
    }

    async keys(text) {
        const actions = [...text].flatMap((value) => [{ type: 'keyDown', value }, { type: 'keyUp', value }]);
        await this.call('POST', '/actions', { actions: [{ type: 'key', id: 'k', actions }] });
    }

    text() {
        return this.run('return document.body.innerText');
    }

    // Waits until the page says so.
    says(text, ms) {
        return until(`the page to say "${text}"`, async () => (await this.text()).includes(text), ms);
    }

    at(where, ms) {
        return until(`address ${where}`, async () => (await this.url()).includes(where), ms);
    }

    async cookies() {
        return this.call('GET', '/cookie');
    }

    async shot(file) {
        fs.writeFileSync(file, Buffer.from(await this.call('GET', '/screenshot'), 'base64'));
    }

    async whole(file, width) { // the whole page, not only the window
        const height = await this.run('return document.documentElement.scrollHeight');
        await this.size(width, Math.min(height, 6000));
        await this.shot(file);
    }

    // Console errors since the last call, without those that the test caused itself.
    async errors(expected = /^$/) {
        const log = await this.call('POST', '/se/log', { type: 'browser' });
        return log.filter((e) => e.level === 'SEVERE' || /Content.Security.Policy|Trusted/i.test(e.message)).map((e) => e.message).filter((m) => !expected.test(m));
    }

    // Addresses that anything asked for since the last call.
    async requests() {
        const log = await this.call('POST', '/se/log', { type: 'performance' });
        return log.map((e) => JSON.parse(e.message).message).filter((m) => m.method === 'Network.requestWillBeSent').map((m) => m.params.request.url);
    }

    /* ---- virtual authenticators ---- */

    authenticator(more = {}) {
        return this.call('POST', '/webauthn/authenticator', {
            protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserConsenting: true, isUserVerified: true, ...more,
        });
    }

    credentials(authenticator) {
        return this.call('GET', `/webauthn/authenticator/${authenticator}/credentials`);
    }
}

module.exports = { Driver, freePort, sleep, until };
