// attacks: what other sites and thieves try against a browser that is signed in.
'use strict';
const { request } = require('./client.js');
const { test, is, ok } = require('./tap.js');
const { cookieOf } = require('./world.js');
const { otherSite } = require('./passkeys.js');
const { session } = require('./signing.js');

async function attacks(w, b) {
    const cookie = `__Host-bartizan=${(await session(b)).value}`;
    const write = (headers, body = { name: 'forged', display_name: 'x' }) => request(w.base, '/v1/groups', { method: 'POST', headers: { Cookie: cookie, ...headers }, body });

    await test('requests of other sites with the cookie are refused', async () => {
        const good = { Origin: w.base, 'Sec-Fetch-Site': 'same-origin', 'X-Bartizan-CSRF': '1' };
        const cases = {
            'no header': { Origin: w.base, 'Sec-Fetch-Site': 'same-origin' },
            'another origin': { ...good, Origin: 'https://evil.test' },
            'origin null': { ...good, Origin: 'null' },
            'another port': { ...good, Origin: 'https://localhost:1' },
            'plain http': { ...good, Origin: w.base.replace('https', 'http') },
            'a prefix of our name': { ...good, Origin: w.base + '.evil.test' },
            'cross-site': { ...good, 'Sec-Fetch-Site': 'cross-site' },
            'same-site': { ...good, 'Sec-Fetch-Site': 'same-site' },
            'a form': { Origin: 'https://evil.test', 'Content-Type': 'application/x-www-form-urlencoded' },
            'text/plain': { ...good, 'Content-Type': 'text/plain' },
        };
        for (const [what, headers] of Object.entries(cases)) {
            const answer = await write(headers);
            ok([400, 403, 415].includes(answer.status), `${what}: ${answer.status}`);
        }
        ok(!(await w.api(cookie, 'GET', '/v1/groups')).text.includes('forged'), 'the group was made');
    });
    await test('a real page of another site cannot use the session', async () => {
        // Of the same host name at another port: the browser sends the cookie, the server must see where it came from.
        const other = await otherSite(w);
        try {
            await b.call('POST', '/url', { url: other.base + '/' });
            is(await b.run('return location.origin'), other.base, 'where the page is');
            for (const [method, path] of [['POST', '/v1/sign-out'], ['GET', '/v1/me']])
                is(await b.wait(`return (await fetch(args[0], { method: args[1], credentials: 'include', mode: 'no-cors', body: args[1] === 'GET' ? undefined : '{}' })
                    .then((r) => r.type, () => 'refused'));`, w.base + path, method), 'refused', `${method} ${path}`);
        } finally {
            other.close();
        }
        is((await w.api(cookie, 'GET', '/v1/me')).status, 200, 'the session goes on');
        await b.errors();
    });
    await test('pages cannot be put into frames', async () => {
        const { headers } = await request(w.base, '/account');
        ok(/frame-ancestors 'none'/.test(headers['content-security-policy']), headers['content-security-policy']);
        for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'", "form-action 'self'", "base-uri 'none'"])
            ok(headers['content-security-policy'].includes(part), part);
        ok(headers['content-security-policy'].includes("require-trusted-types-for 'script'"), 'trusted types');
        ok(!/unsafe|\*/.test(headers['content-security-policy']), 'unsafe');
        is(headers['x-content-type-options'], 'nosniff', 'nosniff');
    });
    await test('a session that an attacker chose is not taken over', async () => {
        const planted = '__Host-bartizan=' + 'A'.repeat(43);
        const first = await w.api(planted, 'POST', '/v1/sign-in', { user: 'bob', password: require('./world.js').password });
        is(first.status, 200, first.text);
        const done = await w.api(planted, 'POST', '/v1/sign-in/totp', { ticket: first.json.ticket, code: await w.bob.app.code() });
        is(done.status, 200, done.text);
        const given = cookieOf(done);
        ok(given && given !== planted, 'a new token');
        is((await w.api(planted, 'GET', '/v1/me')).status, 401, 'the planted one');
        is((await w.api(given, 'GET', '/v1/me')).json.name, 'bob', 'the new one');
        w.bob.cookie = given;
        const out = await w.api(given, 'POST', '/v1/sign-out');
        ok(out.status < 300, 'signs out');
        is((await w.api(given, 'GET', '/v1/me')).status, 401, 'an ended one');
    });
    await test('the second factor of one sign-in does not serve another', async () => {
        const one = await w.api(null, 'POST', '/v1/sign-in', { user: 'bob', password: require('./world.js').password });
        const swapped = await w.api(null, 'POST', '/v1/sign-in/totp', { ticket: one.json.ticket, code: await w.app.code() });
        is(swapped.status, 401, 'a code of alice for bob');
    });
}

module.exports = { attacks };
