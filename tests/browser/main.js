// The pages in a real browser against the real program. TAP on stdout.
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');
const { test, is, ok, plan } = require('./tap.js');
const { World, nasty, password } = require('./world.js');
const { enrol, signIn, session } = require('./signing.js');
const { register, use } = require('./passkeys.js');
const { pages } = require('./pages.js');
const { attacks } = require('./attacks.js');
const { changes, refusals } = require('./states.js');
const { shots } = require('./shots.js');
const { until } = require('./driver.js');

// People, a group, keys and a policy whose every text is hostile.
async function people(w, b) {
    await test('an administrator makes people, groups, keys and policies', async () => {
        const cookie = () => session(b).then((c) => `__Host-bartizan=${c.value}`);
        const make = async (method, where, body, wanted = 201) => {
            await w.fresh(b);
            const answer = await w.api(await cookie(), method, where, body);
            ok(answer.status === wanted || answer.status === 200, `${method} ${where}: ${answer.status} ${answer.text}`);
            return answer.json;
        };
        for (const [name, shown] of [['bob', 'Bob Okafor'], ['mallory', nasty]]) {
            await make('POST', '/v1/users', { name, display_name: shown });
            // By the owner of the folder: whom alice invites cannot approve for her within a week.
            w[name] = await w.enrol(w.cli('access', 'user', 'invite', name).match(/https:\S+/)[0], { 'User-Agent': name === 'bob' ? 'curl/8' : nasty });
        }
        await make('POST', '/v1/bindings', { role: 'admin', subject: 'bob', reason: nasty });
        w.cli('access', 'role', 'give', 'operator', 'alice');
        await make('POST', '/v1/services', { name: 'nightly', display_name: nasty });
        await make('POST', '/v1/groups', { name: 'research', display_name: nasty });
        await make('PUT', '/v1/groups/research/members/mallory', undefined);
        await make('POST', '/v1/keys', { principal: 'nightly', name: nasty.slice(0, 60) });
        await make('PUT', '/v1/policies/evaluation', { text: `# ${nasty}\npolicy: evaluation\nroles:\n  evaluator:\n    about: tries models\n    rules:\n      - id: small\n        effect: allow\n        actions: [model.invoke]\n        resources: ["model/small-*"]\n` });
        await w.api(null, 'POST', '/v1/sign-in', { user: 'mallory', password: 'wrong' }, { 'User-Agent': nasty });
    });
}

async function main() {
    const work = process.argv[2] || fs.mkdtempSync(path.join(os.tmpdir(), 'btz-pages-'));
    let w = null;
    try {
        w = await World.start(work);
    } catch (error) {
        console.log('not ok 1 - the program starts');
        console.log('# ' + String(error.message).split('\n').join('\n# '));
        console.log('1..1');
        process.exit(1);
    }
    w.nasty = nasty;
    for (const signal of ['SIGTERM', 'SIGINT'])
        process.on(signal, () => w.stop().finally(() => process.exit(1)));
    try {
        const b = await w.driver.browser();
        // Answers the question for the second factor when it comes, or waits for `text`.
        w.stepUpIfAsked = async (browser, text) => {
            await until('an answer', async () => {
                const seen = await browser.run('return [...document.querySelectorAll("dialog[open] h2")].pop()?.textContent || ""');
                if (seen === 'Confirm that it is you') {
                    await browser.click('Use a passkey');
                    return true;
                }
                return text ? (await browser.text()).includes(text) : seen !== 'Add a passkey';
            });
        };
        // Shows the second factor of the signed-in person now; waits until it is stale: access.step_up of these tests.
        w.stale = () => new Promise((done) => setTimeout(done, Math.max(0, 10500 - (Date.now() - w.shown))));
        w.fresh = (browser) => (w.shown = Date.now(), browser).wait(`const w = await import('/assets/webauthn.js');
            const send = async (path, body) => { const r = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Bartizan-CSRF': '1' }, body: JSON.stringify(body) }); if (!r.ok) throw new Error(path + ' ' + r.status + ' ' + await r.text()); return r.json(); };
            const o = await send('/v1/step-up/passkey/options', {});
            await send('/v1/step-up/passkey', { ticket: o.ticket, credential: await w.assert(o.public_key) });`);
        await enrol(w, b);
        await signIn(w, b);
        await register(w, b);
        await people(w, b);
        await pages(w, b);
        if (process.env.BTZ_SHOTS)
            await shots(w, b, process.env.BTZ_SHOTS);
        await changes(w, b);
        await refusals(w, b);
        await use(w, b);
        await attacks(w, b);
        await b.close();
    } catch (error) {
        await test('the tests go through', () => {
            throw error;
        });
    } finally {
        const status = await w.stop();
        await test('the program stops cleanly', () => is(status, 0, 'exit status'));
    }
    process.exit(plan() ? 1 : 0);
}

main();
