// states: what pages say when something is not allowed, taken, changed meanwhile, waiting, locked or not there.
'use strict';
const { test, is, ok } = require('./tap.js');
const { cookieOf, password } = require('./world.js');
const { session } = require('./signing.js');
const { until } = require('./driver.js');

async function become(w, b, cookie) {
    await b.call('POST', '/url', { url: w.base + '/assets/icon.svg' });
    await b.call('DELETE', '/cookie');
    const [name, value] = [cookie.slice(0, cookie.indexOf('=')), cookie.slice(cookie.indexOf('=') + 1)];
    await b.call('POST', '/cookie', { cookie: { name, value, path: '/', secure: true, httpOnly: true, sameSite: 'Strict' } });
}

async function signInOver(w, who, app) {
    const first = await w.api(null, 'POST', '/v1/sign-in', { user: who, password });
    if (first.json.state === 'signed-in')
        return cookieOf(first);
    return cookieOf(await w.api(null, 'POST', '/v1/sign-in/totp', { ticket: first.json.ticket, code: await app.code() }));
}

async function changes(w, b) {
    await test('cancelling the second factor changes nothing; showing it goes on, and the change is made once', async () => {
        await w.stale();
        await b.open(w.base + '/admin/groups');
        await b.click('Make a group');
        await b.type('dialog input[name=name]', 'stepped-up');
        await b.click('Make');
        await b.says('Confirm that it is you');
        await b.click('Cancel');
        await b.says('Nothing was changed');
        const cookie = `__Host-bartizan=${(await session(b)).value}`;
        is((await w.api(cookie, 'GET', '/v1/groups/stepped-up')).status, 404, 'the group');
        await b.click('Make');
        await b.says('Confirm that it is you');
        await b.click('Use a passkey');
        w.shown = Date.now();
        await b.at('/admin/groups?group=stepped-up');
        await b.settled();
        is((await b.errors(/403|404/)).length, 0, 'console');
    });
    await test('what somebody else changed meanwhile is not overwritten', async () => {
        await b.open(w.base + '/admin/groups?group=research');
        await w.fresh(b);
        await b.click('Edit');
        await b.type('dialog input[name=display_name]', 'Mine');
        const cookie = `__Host-bartizan=${(await session(b)).value}`;
        is((await w.api(cookie, 'PATCH', '/v1/groups/research', { display_name: 'Theirs' })).status, 200, 'the other change');
        await b.click('Save');
        await w.stepUpIfAsked(b, 'Look at the newest state');
        await b.says('Nothing was saved');
        await b.click('Cancel');
        is((await w.api(cookie, 'GET', '/v1/groups/research')).json.display_name, 'Theirs', 'kept');
        await b.errors();
    });
    await test('a name that is taken is told beside the form', async () => {
        await b.open(w.base + '/admin/groups');
        await b.click('Make a group');
        await b.type('dialog input[name=name]', 'research');
        await b.click('Make');
        await w.stepUpIfAsked(b, 'research');
        await until('the fault', () => b.run('return (document.querySelector("dialog .fault")?.textContent || "").includes("research")'));
        await b.keys('\uE00C');
        await b.errors();
    });
    await test('a policy that is wrong is not saved; a right one shows whose answers change', async () => {
        await b.open(w.base + '/admin/policies?policy=evaluation');
        await b.run('const t = document.querySelector("textarea"); t.value = t.value.replace("model.invoke", "model.invok");');
        await b.click('Check');
        await b.says('model.invok');
        await b.run('const t = document.querySelector("textarea"); t.value = t.value.replace("model.invok]", "model.invoke, model.release]");');
        await b.click('Save …');
        await b.says('Save the policy?');
        await b.click('Save');
        await w.stepUpIfAsked(b, 'Saved. It is in force');
        await b.says('Saved. It is in force');
        await b.errors();
    });
    await test('a change that needs a second person waits, is not one\'s own to approve, and is made by another', async () => {
        await b.open(w.base + '/admin/policies?policy=evaluation');
        await b.click('Delete');
        await b.click('Delete');
        await w.stepUpIfAsked(b, 'waits for a second person');
        await b.says('This change waits for a second person');
        await b.open(w.base + '/admin/approvals');
        await b.says('somebody else decides');
        const alice = `__Host-bartizan=${(await session(b)).value}`;
        await become(w, b, await signInOver(w, 'bob', w.bob.app));
        await b.open(w.base + '/admin/approvals');
        await b.says('policy.delete');
        await b.run('[...document.querySelectorAll("td button")].find((e) => e.textContent.startsWith("Approve")).click()');
        await b.type('dialog textarea[name=reason]', 'agreed');
        await b.click('Approve');
        await b.says('Approved. The change is made.');
        await become(w, b, alice);
        is((await w.api(alice, 'GET', '/v1/policies/evaluation')).status, 404, 'the policy');
        await b.open(w.base + '/account');
        await b.says('policy.delete');
        await b.errors();
    });
}

async function refusals(w, b) {
    await test('somebody without roles sees his account and is told why nothing else', async () => {
        const alice = `__Host-bartizan=${(await session(b)).value}`;
        await become(w, b, w.mallory.cookie);
        await b.open(w.base + '/account');
        await b.says('mallory');
        is(await b.run('return [...document.querySelectorAll("nav a")].map((a) => a.textContent).join()'), 'Account', 'links');
        for (const path of ['/admin/people', '/admin/groups', '/admin/roles', '/admin/keys', '/admin/policies', '/admin/approvals', '/admin/audit', '/admin/traffic']) {
            await b.open(w.base + path);
            await b.says('You may not do this').catch(async (error) => {
                throw new Error(`${path}: ${error.message}: ${(await b.text()).slice(0, 600)}`);
            });
        }
        await b.errors();
        await become(w, b, alice);
    });
    await test('too many wrong passwords: the page says how long to wait', async () => {
        const { identifier } = await b.devtools('Page.addScriptToEvaluateOnNewDocument', { source: 'PublicKeyCredential.isConditionalMediationAvailable = async () => false;' });
        const alice = `__Host-bartizan=${(await session(b)).value}`;
        await b.call('DELETE', '/cookie');
        await b.open(w.base + '/sign-in');
        await b.type('input[name=user]', 'mallory');
        await b.type('input[name=password]', 'wrong');
        for (let i = 0; i < 20; i++) { // each wait is twice as long as the one before
            const answer = await w.api(null, 'POST', '/v1/sign-in', { user: 'mallory', password: 'wrong' });
            if (Number(answer.headers['retry-after']) >= 4)
                break;
            await new Promise((done) => setTimeout(done, 1000 * Number(answer.headers['retry-after'] || 0)));
        }
        await b.click('Sign in');
        await until('the wait', () => b.run('return /^Wait \\d+:\\d\\d$/.test([...document.querySelectorAll("form button.wide")].pop().textContent)'));
        await b.devtools('Page.removeScriptToEvaluateOnNewDocument', { identifier });
        await b.errors();
        await become(w, b, alice);
    });
    await test('without a network the page says so, and goes on when it is back', async () => {
        await b.open(w.base + '/admin/groups');
        await b.devtools('Network.emulateNetworkConditions', { offline: true, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
        await b.run('document.querySelector("a[href*=group]"); window.dispatchEvent(new Event("offline"))');
        await b.says('This device is offline');
        await b.devtools('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
        await b.run('window.dispatchEvent(new Event("online"))');
        await b.says('The connection is back');
        await b.errors();
    });
    await test('the traffic page shows the last minute, and follows', async () => {
        await b.open(w.base + '/admin/traffic');
        await b.says('Requests a second');
        await b.says('Last calls');
        await b.says('Audit:');
        is(await b.run('return document.querySelectorAll("dl.tiles dt").length'), 7, 'tiles');
        is(await b.run('return document.querySelectorAll("svg[role=img][aria-label]").length'), 2, 'charts that say what they show');
        const numbers = await b.run('return document.querySelector("dl.tiles")') && await b.run('window.old = document.querySelector("dl.tiles"); return true');
        ok(numbers, 'numbers');
        await until('new numbers', () => b.run('return document.querySelector("dl.tiles") !== window.old'));
        await b.errors();
    });
    await test('the audit page shows what happens while it is open', async () => {
        await b.open(w.base + '/admin/audit');
        const rows = await b.run('return document.querySelectorAll("tbody tr").length');
        ok(rows > 5, `${rows} rows`);
        await w.api(null, 'POST', '/v1/sign-in', { user: 'nobody-at-all-2', password: 'x' }, { 'User-Agent': w.nasty });
        await until('a fresh row', () => b.run('return document.querySelectorAll("tr.fresh").length > 0'));
        ok((await b.text()).includes('passkey'), 'how people signed in');
        await b.run('document.querySelector("#live").click()');
        await b.run('document.querySelector("tr.fresh td button").click()');
        await b.says('Entry of the trail');
        await b.says('<img src=x onerror=');
        await b.click('Close');
        await b.errors();
    });
}

module.exports = { changes, refusals, become, signInOver };
