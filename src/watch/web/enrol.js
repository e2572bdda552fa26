// enrol: a one-time link leads here. A password first, then a second factor, then the codes for the day it is lost.
import { $, fill, h, name, when } from './dom.js';
import { get, post, setHooks } from './api.js';
import { addPasskey, addTotp, newRecoveryCodes } from './factors.js';
import { toSignIn, watchNetwork } from './shell.js';
import { form, note, problemNote, sayProblem } from './ui.js';
import * as webauthn from './webauthn.js';

const host = $('#content');
const steps = ['Password', 'Second factor', 'Recovery codes'];
const progress = (at) => h('ol', { class: 'steps', 'aria-label': 'Steps' }, steps.map((s, i) => h('li', { 'aria-current': i === at ? 'step' : null }, `${i + 1}. ${s}`)));

// The link's secret leaves the address bar at once: it must not stay in the history or on a screenshot.
function takeToken() {
    const token = new URLSearchParams(location.hash.slice(1)).get('token') || location.hash.slice(1) || new URLSearchParams(location.search).get('token');
    if (token)
        history.replaceState(null, '', '/enrol');
    return token;
}

function stale(error) {
    fill(host, error.status === 0 || error.status === 429 ? problemNote(error, () => location.reload())
        : note('bad', h('p', null, h('strong', null, 'This link does not work (any more).')),
            h('p', null, 'A link works once and only for a while. Ask whoever sent it for a new one.')),
    h('p', null, h('a', { href: '/sign-in' }, 'I have an account: sign in')));
}

function password(token, who) {
    fill(host, progress(0),
        h('p', null, 'Welcome, ', h('strong', null, name(who.display_name || who.name)), '. Your name for signing in is ', h('code', null, who.name), '.'),
        who.expires && h('p', { class: 'soft' }, 'This link works until ', when(who.expires), '.'),
        form([
            h('input', { type: 'text', name: 'user', autocomplete: 'username', value: who.name, hidden: true, 'aria-hidden': 'true', tabindex: '-1' }),
            { name: 'password', label: 'New password', kind: 'password', required: true, autocomplete: 'new-password', max: 1024, hint: 'At least 12 characters. A few unrelated words are easy to keep and hard to guess.' },
        ], 'Set the password', async (v) => {
            await post('/v1/enrol', { token, password: v.password }, { open: true });
            second(await get('/v1/me').then((a) => a.body, () => null));
        }, { wide: true }));
    $('input[name=password]', host).focus();
}

function second(me) {
    const added = async (run) => {
        try {
            if (await run())
                codes();
        } catch (error) {
            sayProblem(error);
        }
    };
    fill($('#title'), 'Add a second factor');
    fill(host, progress(1),
        h('p', null, 'A stolen password alone should open nothing. Choose what you will show beside it:'),
        webauthn.supported() && [
            h('h2', null, 'Passkey'), h('p', { class: 'soft' }, 'On this device, your phone or a security key. The strongest choice.'),
            h('button', { type: 'button', class: 'main wide', onclick: () => added(addPasskey) }, 'Add a passkey')],
        h('h2', null, 'Authenticator app'), h('p', { class: 'soft' }, 'Six-digit codes from an app on your phone.'),
        h('button', { type: 'button', class: 'wide', onclick: () => added(addTotp) }, 'Add an authenticator app'),
        !me?.enrolling && h('p', null, h('a', { href: '/account' }, 'Later')));
    $('#title').focus();
}

function codes() {
    fill($('#title'), 'Keep a way back in');
    fill(host, progress(2), h('p', null, 'Recovery codes let you in when the phone or key is lost.'),
        h('button', {
            type: 'button', class: 'main wide', onclick: async () => {
                try {
                    await newRecoveryCodes();
                    location.assign('/account');
                } catch (error) {
                    sayProblem(error);
                }
            },
        }, 'Show my recovery codes'), h('p', null, h('a', { href: '/account' }, 'Later')));
    $('#title').focus();
}

async function begin() {
    const token = takeToken();
    watchNetwork();
    try {
        if (token)
            password(token, (await post('/v1/enrol/check', { token }, { open: true })).body);
        else {
            setHooks({ signedOut: toSignIn });
            second((await get('/v1/me')).body);
        }
    } catch (error) {
        if (!error.cancelled)
            stale(error);
    }
    document.documentElement.dataset.ready = 'yes';
}
begin();
