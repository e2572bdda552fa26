// sign-in: passkey, or name and password and then a second factor.
import { $, fill, h, name } from './dom.js';
import { get, post } from './api.js';
import { nextPage } from './next.js';
import { watchNetwork } from './shell.js';
import { form, problemNote } from './ui.js';
import * as webauthn from './webauthn.js';

const host = $('#content');
const open = { open: true };
let waiting = null; // the browser's own passkey list under the name field

function title(text, focus = true) {
    fill($('#title'), text);
    document.title = text + ' · bartizan';
    if (focus)
        $('#title').focus();
}

function done(body) {
    if (body.state === 'enrol') {
        location.assign('/enrol');
        return;
    }
    location.assign(nextPage(location.search, location.origin));
}

async function withPasskey(ticket, more) {
    const { body } = await post('/v1/sign-in/passkey/options', ticket ? { ticket } : {}, open);
    const credential = await webauthn.assert(body.public_key, more);
    done((await post('/v1/sign-in/passkey', { ticket: body.ticket, credential }, open)).body);
}

// Offers passkeys where the browser completes the name. Quiet: nobody asked for it yet.
async function offer() {
    try {
        if (!webauthn.supported() || !await PublicKeyCredential.isConditionalMediationAvailable?.())
            return;
        waiting = new AbortController();
        await withPasskey(null, { mediation: 'conditional', signal: waiting.signal });
    } catch (error) {
        if (error.name !== 'AbortError' && error.name !== 'NotAllowedError' && error.status !== undefined)
            fill($('#fault') || host, error.message);
    }
}

function passkeyButton(word, ticket) {
    const fault = h('p', { class: 'fault', role: 'alert', id: 'fault' });
    const button = h('button', {
        type: 'button', class: ticket ? 'wide' : 'main wide', onclick: async () => {
            if (button.getAttribute('aria-disabled') === 'true')
                return;
            button.setAttribute('aria-disabled', 'true');
            waiting?.abort();
            fault.textContent = '';
            try {
                await withPasskey(ticket);
            } catch (error) {
                fill(fault, error.message, error.advice ? ' ' + error.advice : '');
            } finally {
                button.removeAttribute('aria-disabled');
            }
        },
    }, word);
    return [button, fault];
}

function first(issuers) {
    title('Sign in', false);
    const passkeys = webauthn.supported();
    fill(host,
        passkeys && passkeyButton('Sign in with a passkey'),
        issuers.map((i) => h('p', null, h('a', { class: 'button wide', href: `/v1/oidc/${encodeURIComponent(i.name)}/start?next=` + encodeURIComponent(nextPage(location.search, location.origin)) },
            h('span', null, 'Sign in with ', name(i.display_name || i.title || i.name))))),
        (passkeys || issuers.length > 0) && h('p', { class: 'or' }, 'or'),
        form([
            { name: 'user', label: 'Name', required: true, autocomplete: 'username webauthn', max: 127 },
            { name: 'password', label: 'Password', kind: 'password', required: true, autocomplete: 'current-password', max: 1024 },
        ], 'Sign in', async (v, node) => {
            let body;
            try {
                body = (await post('/v1/sign-in', v, open)).body;
            } catch (error) {
                const password = node.elements.password;
                password.value = '';
                if (error.status === 401 || error.status === 403)
                    password.focus();
                throw error;
            }
            waiting?.abort();
            if (body.state === 'second-factor')
                second(body, body.methods || ['totp', 'recovery']);
            else
                done(body);
        }, { wide: true, quiet: passkeys }),
        h('p', { class: 'hint' }, 'Forgot the password, or lost the second factor? An administrator can send you a new link.'));
    document.documentElement.dataset.ready = 'yes';
    offer();
}

const codes = {
    totp: {
        link: 'Use a code of the authenticator app', button: 'Sign in', path: '/v1/sign-in/totp',
        field: { name: 'code', label: 'Code of the authenticator app', hint: 'Six digits. They change every 30 seconds.', class: 'code', inputmode: 'numeric', autocomplete: 'one-time-code', max: 6, pattern: '[0-9]{6}', required: true },
    },
    recovery: {
        link: 'Use a recovery code', button: 'Sign in', path: '/v1/sign-in/recovery',
        field: { name: 'code', label: 'Recovery code', hint: 'One of the codes that you wrote down. Each works once.', max: 64, required: true },
    },
};

function second(state, methods, chosen) {
    const method = chosen || (methods.includes('totp') ? 'totp' : methods.includes('passkey') ? 'passkey' : methods[0]);
    const others = methods.filter((m) => m !== method && (m !== 'passkey' || webauthn.supported()));
    title('Show your second factor');
    const way = codes[method];
    fill(host,
        h('p', { class: 'soft' }, state.byIssuer ? 'This alone is not enough for this account.' : 'The password alone is not enough for this account.'),
        way ? form([way.field], way.button, async (v) => done((await post(way.path, { ticket: state.ticket, code: v.code }, open)).body), { wide: true })
            : passkeyButton('Use a passkey', state.ticket),
        others.length > 0 && h('p', { class: 'or' }, 'or'),
        others.map((m) => m === 'passkey' ? passkeyButton('Use a passkey', state.ticket)
            : h('button', { type: 'button', class: 'plain wide', onclick: () => second(state, methods, m) }, codes[m].link)),
        h('button', { type: 'button', class: 'plain wide', onclick: begin }, 'Start again'));
    if (way)
        $('input', host).focus();
}

// What a sign-in with an issuer leaves in the address: a ticket of the first factor, or that it did not work. Neither stays
// there: the ticket is a secret, and a reload is not a second failure.
function takeReturn() {
    const query = new URLSearchParams(location.search);
    const fragment = new URLSearchParams(location.hash.slice(1));
    const came = { ticket: fragment.get('ticket') || '', failed: query.has('error') };
    came.methods = (fragment.get('methods') || '').split(',').filter((m) => m === 'passkey' || m in codes);
    if (came.failed || location.hash) {
        query.delete('error');
        const rest = query.toString();
        history.replaceState(null, '', location.pathname + (rest ? '?' + rest : ''));
    }
    return came;
}

const came = takeReturn();

async function start() {
    if (came.ticket && came.methods.length) {
        second({ ticket: came.ticket, byIssuer: true }, came.methods);
        document.documentElement.dataset.ready = 'yes';
        return;
    }
    await begin();
    const fault = $('#fault');
    if (came.failed)
        host.prepend(h('p', { class: 'fault', role: 'alert', id: fault ? 'issuer-fault' : 'fault' }, 'Signing in with the issuer did not work. Try again, or sign in another way.'));
}

async function begin() {
    let issuers = [];
    try {
        issuers = (await get('/v1/sign-in/issuers', open)).body.items || [];
    } catch (error) {
        if (error.status === 0) {
            fill(host, problemNote(error, begin));
            return;
        }
    }
    first(issuers);
}

watchNetwork();
start();
