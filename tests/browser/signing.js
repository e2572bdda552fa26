// signing: a person sets an account up by a link, signs out and in again, with every kind of proof.
'use strict';
const { Authenticator } = require('./client.js');
const { test, is, ok, none } = require('./tap.js');
const { judge, nothingForeign } = require('./pages.js');
const { password } = require('./world.js');

const secretInDialog = (b) => b.run('return document.querySelector("dialog .once").textContent');
const session = async (b) => (await b.cookies()).find((c) => c.name === '__Host-bartizan');

async function enrol(w, b) {
    await test('a link that is not right says what to do', async () => {
        await b.open(`${w.base}/enrol#nonsense`);
        await b.says('This link does not work');
        await b.errors();
    });
    await test('page: enrol', async () => {
        await b.requests();
        await b.call('POST', '/url', { url: 'about:blank' });
        await b.call('POST', '/url', { url: w.link });
        await b.says('Welcome');
        is(await b.url(), w.base + '/enrol', 'the secret leaves the address bar');
        await judge(w, b, 'enrol');
        await nothingForeign(w, b, 'enrol');
    });
    await test('a short password is refused with the reason', async () => {
        await b.type('input[name=password]', 'short');
        await b.click('Set the password');
        ok((await b.run('return document.querySelector("[role=alert]").textContent')).length >= 0, 'no alert');
        await b.says('character');
        await b.errors();
    });
    await test('the first administrator sets a password, an authenticator app and recovery codes', async () => {
        await b.type('input[name=password]', password);
        await b.click('Set the password');
        await b.says('Add a second factor');
        await judge(w, b, 'second factor');
        await b.click('Add an authenticator app');
        await b.says('Scan this');
        const box = await b.run('const r = document.querySelector("dialog img"); return [r.naturalWidth > 0, r.src.slice(0, 19)]');
        ok(box[0] && box[1] === 'data:image/svg+xml;', 'the QR code is not drawn');
        w.app = new Authenticator(await secretInDialog(b));
        await b.type('dialog input[name=code]', '000000');
        await b.click('Confirm');
        await b.says('wrong code');
        await b.type('dialog input[name=code]', await w.app.code());
        await b.click('Confirm');
        await b.says('Keep a way back in');
        await b.click('Show my recovery codes');
        await b.says('Each code signs you in once');
        w.codes = await b.run('return [...document.querySelectorAll("ol.codes li")].map((l) => l.textContent)');
        ok(w.codes.length >= 8 && new Set(w.codes).size === w.codes.length, `${w.codes.length} recovery codes`);
        await b.click('Done');
        await b.says('Store the codes first');
        await b.run('document.querySelector("#stored").click()');
        await b.click('Done');
        await b.at('/account');
        await b.settled();
        await b.says('alice');
        await b.errors();
    });
    await test('the link works once', async () => {
        await b.call('POST', '/url', { url: 'about:blank' });
        await b.open(w.link);
        await b.says('This link does not work');
        await b.errors();
    });
}

async function signIn(w, b) {
    await test('a page of somebody who is not signed in leads to sign-in and back', async () => {
        await b.open(w.base + '/account');
        await b.click('Sign out');
        await b.at('/sign-in');
        is(await session(b), undefined, 'cookie after signing out');
        await b.call('POST', '/url', { url: w.base + '/admin/people?user=alice' });
        await b.at('/sign-in?next=%2Fadmin%2Fpeople%3Fuser%3Dalice');
        await b.errors();
    });
    await test('page: sign-in', async () => {
        await b.requests();
        await b.open(w.base + '/sign-in?next=%2Fadmin%2Fpeople%3Fuser%3Dalice');
        await judge(w, b, 'sign-in');
        await nothingForeign(w, b, 'sign-in');
    });
    await test('wrong passwords are told without saying which part was wrong', async () => {
        const told = [];
        for (const name of ['alice', 'nobody-at-all']) {
            await b.open(w.base + '/sign-in?next=%2Fadmin%2Fpeople%3Fuser%3Dalice');
            await b.type('input[name=user]', name);
            await b.type('input[name=password]', 'not this one');
            await b.click('Sign in');
            await b.says('wrong name or password');
            told.push(await b.run('return [...document.querySelectorAll("form .fault")].map((e) => e.textContent).join()'));
            is(await b.run('return document.querySelector("input[name=password]").value'), '', 'the password stays in the form');
        }
        is(told[0], told[1], 'the answers differ');
        await b.errors();
    });
    await test('password and code sign in and lead back to where one wanted to go', async () => {
        await b.type('input[name=user]', 'alice');
        await b.type('input[name=password]', password);
        await b.click('Sign in');
        await b.says('Show your second factor');
        await judge(w, b, 'second factor of sign-in');
        await b.type('input[name=code]', await w.app.code());
        await b.keys('\uE007');
        await b.at('/admin/people?user=alice');
        await b.settled();
        const cookie = await session(b);
        ok(cookie.httpOnly && cookie.secure && cookie.sameSite === 'Strict' && cookie.path === '/', `cookie: ${JSON.stringify(cookie)}`);
        await b.errors();
    });
    await test('addresses of other places are not followed after signing in', async () => {
        const evil = ['//evil.test/', 'https://evil.test/', '/\\evil.test', '/account/../../evil', 'javascript:alert(1)', '/v1/sign-out', '/%2f%2fevil.test', '/admin/people@evil.test', '\t//evil.test'];
        const led = await b.wait(`const { nextPage } = await import('/assets/next.js'); return args[0].map((e) => nextPage('?next=' + encodeURIComponent(e), location.origin));`, evil);
        none(led.filter((to) => to !== '/account'), 'led elsewhere');
        is(await b.wait(`const { nextPage } = await import('/assets/next.js'); return nextPage('?next=' + encodeURIComponent('/admin/audit?event=alarm'), location.origin);`), '/admin/audit?event=alarm', 'a page of ours');
    });
    await test('a recovery code signs in once', async () => {
        for (const [attempt, good] of [[1, true], [2, false]]) {
            await b.open(w.base + '/account');
            await b.click('Sign out');
            await b.at('/sign-in');
            await b.settled();
            await b.type('input[name=user]', 'alice');
            await b.type('input[name=password]', password);
            await b.click('Sign in');
            await b.click('Use a recovery code');
            await b.type('input[name=code]', w.codes[0]);
            await b.click('Sign in');
            if (good)
                await b.at('/account');
            else
                await b.says('wrong code');
            ok(attempt, 'attempt');
            if (!good) {
                await b.type('input[name=code]', w.codes[1]);
                await b.click('Sign in');
                await b.at('/account');
            }
            await b.settled();
        }
        await b.errors();
    });
}

module.exports = { enrol, signIn, session };
