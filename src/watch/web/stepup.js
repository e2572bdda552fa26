// stepup: the server wants to see the second factor again before it goes on.
import { h } from './dom.js';
import { Cancelled, post } from './api.js';
import * as webauthn from './webauthn.js';
import { cancelButton, dialog, form } from './ui.js';

let open = null; // several requests at once share one dialog

export function stepUp(me) {
    open = open || show(me).finally(() => {
        open = null;
    });
    return open;
}

async function show(me) {
    const totp = me?.totp !== false; // shown also when nothing is known
    const passkeys = webauthn.supported() && me?.passkey !== false;
    if (me && !totp && !passkeys) {
        await dialog('A second factor is needed', (close) => [
            h('p', null, 'This change asks for a second factor, and your account has none.'),
            h('p', null, 'Add a passkey or an authenticator app on your account page, then try again.'),
            h('div', { class: 'foot' }, cancelButton(close, 'Close'), h('a', { class: 'button', href: '/account' }, 'Go to my account')),
        ]);
        throw new Cancelled();
    }
    const done = await dialog('Confirm that it is you', (close) => {
        const fault = h('p', { class: 'fault', role: 'alert' });
        const passkey = h('button', {
            type: 'button', class: totp ? 'wide' : 'main wide', autofocus: !totp, onclick: async () => {
                fault.textContent = '';
                try {
                    const { body } = await post('/v1/step-up/passkey/options', {}, { proof: true });
                    await post('/v1/step-up/passkey', { ticket: body.ticket, credential: await webauthn.assert(body.public_key) }, { proof: true });
                    close(true);
                } catch (error) {
                    fault.textContent = error.message;
                }
            },
        }, 'Use a passkey');
        return [
            h('p', null, 'You are about to change who may do what. Show your second factor once more; then the change goes on.'),
            totp && form([{ name: 'code', label: 'Code of the authenticator app', required: true, class: 'code', inputmode: 'numeric', autocomplete: 'one-time-code', max: 6, pattern: '[0-9]{6}' }],
                'Confirm', async (v) => {
                    await post('/v1/step-up/totp', v, { proof: true });
                    close(true);
                }, { wide: true }),
            totp && passkeys && h('p', { class: 'or' }, 'or'), passkeys && passkey, fault,
            h('div', { class: 'foot' }, cancelButton(close)),
        ];
    });
    if (!done)
        throw new Cancelled();
}
