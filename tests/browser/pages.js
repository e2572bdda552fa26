// pages: every page as people meet it: drawn without errors, accessible, nothing from elsewhere, hostile text as text.
'use strict';
const { check, look } = require('./accessibility.js');
const { until } = require('./driver.js');
const { test, none, ok, is } = require('./tap.js');
const { nasty } = require('./world.js');

const signedIn = (w) => [
    ['account', '/account', 'Your account'], ['people', '/admin/people', 'People'], ['a person', `/admin/people?user=mallory`, null, true],
    ['a service', '/admin/people?service=nightly', null, true], ['groups', '/admin/groups', 'Groups'], ['a group', '/admin/groups?group=research', null, true], ['roles', '/admin/roles', 'Roles'],
    ['a role', '/admin/roles?role=viewer', 'viewer'], ['keys', '/admin/keys', 'Keys', true], ['policies', '/admin/policies', 'Policies'],
    ['a policy', '/admin/policies?policy=evaluation', 'evaluation', true], ['approvals', '/admin/approvals', 'Approvals'], ['audit', '/admin/audit', 'Audit'], ['traffic', '/admin/traffic', 'Traffic'],
];

async function judge(w, b, name) {
    await b.size(1280, 900);
    await b.dark(false);
    none(await check(b), `${name}, light`);
    await b.dark(true);
    none(await b.run(`return (${look.toString()})()`), `${name}, dark`);
    await b.size(320, 640);
    none(await b.run(`return (${look.toString()})()`), `${name}, 320 px, dark`);
    await b.dark(false);
    await b.size(640, 450); // 1280 x 900 at 200 %
    none(await b.run(`return (${look.toString()})()`), `${name}, 200 %`);
    await b.size(1280, 900);
}

async function nothingForeign(w, b, name) {
    const foreign = (await b.requests()).filter((u) => !u.startsWith(w.base + '/') && !u.startsWith('data:') && !u.startsWith('blob:') && !u.startsWith('chrome') && u !== 'about:blank');
    none(foreign, `${name}: requests leave the origin`);
    none(await b.errors(/favicon\.ico/), `${name}: console`);
}

const jumps = `return new Promise((done) => {
    let sum = 0;
    new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) sum += e.value; }).observe({ type: 'layout-shift', buffered: true });
    setTimeout(() => done(sum), 120);
});`;

async function one(w, b, [name, path, heading, hostile]) {
    await test(`page: ${name}`, async () => {
        await b.size(1280, 900);
        await b.errors();
        await b.requests();
        await b.open(w.base + path);
        if (heading)
            is(await b.run('return document.querySelector("h1").textContent'), heading, 'heading');
        ok(!(await b.text()).includes('It did not work'), 'an error is shown: ' + (await b.text()).slice(0, 400));
        none(await b.run('return [...document.querySelectorAll(".note.bad")].map((e) => e.innerText)'), 'errors shown');
        const shift = await b.wait(jumps);
        ok(shift < 0.1, `layout shift ${shift}`);
        if (hostile)
            ok((await b.run('return document.body.textContent + [...document.querySelectorAll("textarea")].map((t) => t.value).join()')).includes('<img src=x onerror='), 'the hostile text is not shown as text');
        none(await b.run(`return [...document.querySelectorAll('img:not([src^="/assets/"]):not([src^="data:"]), script:not([src]), b:not(dialog b)')].map((e) => e.outerHTML)`), 'elements that text made');
        ok(await b.call('GET', '/title') !== 'pwned', 'script ran');
        await judge(w, b, name);
        await nothingForeign(w, b, name);
    });
}

// A dialog is a dialog: named, modal, focus in it, Escape closes it, focus comes back.
async function dialogs(w, b) {
    for (const [path, button] of [['/account', 'Break glass …'], ['/account', 'Make a key'], ['/account', 'Add a passkey'], ['/admin/people', 'Invite a person'], ['/admin/audit', 'Export …']])
        await test(`dialog: ${button}`, async () => {
            await b.open(w.base + path);
            const id = await b.named(button);
            await b.call('POST', `/element/${id}/click`);
            ok(await b.run('return document.querySelector("dialog[open]:modal") !== null'), 'no modal dialog');
            await b.dark(true);
            none(await b.run(`return (${look.toString()})()`), 'dark');
            await b.dark(false);
            await b.size(320, 640);
            none(await b.run(`return (${look.toString()})()`), '320 px');
            await b.size(1280, 900);
            none(await check(b), 'light'); // last: the Tab key may leave the dialog for the browser's own bar
            await b.run('document.querySelector("dialog[open] button").focus()');
            await b.keys('\uE00C');
            await until('Escape to close it', () => b.run('return document.querySelector("dialog") === null'));
            await until('the focus to come back', () => b.run('return arguments[0] === document.activeElement', { 'element-6066-11e4-a52e-4f735466cecf': id }));
        });
}

async function pages(w, b) {
    for (const page of signedIn(w))
        await one(w, b, page);
    await dialogs(w, b);
}

module.exports = { pages, one, judge, nothingForeign, nasty };
