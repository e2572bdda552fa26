// factors: adding a second factor and recovery codes; used when an account is set up and on the account page.
import { fill, h } from './dom.js';
import { post } from './api.js';
import { ask, cancelButton, copyButton, dialog, form, save } from './ui.js';
import * as webauthn from './webauthn.js';

const picture = (svg) => 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(svg);

export async function addTotp() {
    const { body } = await post('/v1/me/totp');
    return dialog('Add an authenticator app', (close) => [
        h('p', null, 'Scan this with the app (any that makes six-digit codes), then type the code it shows.'),
        h('div', { class: 'qr' }, h('img', { src: picture(body.svg), alt: 'QR code with the secret for the authenticator app', width: 192, height: 192 }),
            h('div', null, h('p', { class: 'soft' }, 'Cannot scan? Type this secret into the app:'), h('p', { class: 'once' }, body.secret), copyButton(body.secret))),
        form([{ name: 'code', label: 'Code that the app shows', required: true, class: 'code', inputmode: 'numeric', autocomplete: 'one-time-code', max: 6, pattern: '[0-9]{6}' }],
            'Confirm', async (v) => {
                await post('/v1/me/totp/confirm', v);
                close(true);
            }, { foot: 'foot', before: cancelButton(close) }),
    ]);
}

function deviceName() {
    const words = [[/iPhone|iPad/, 'iPhone or iPad'], [/Android/, 'Android device'], [/Mac OS X/, 'Mac'], [/Windows/, 'Windows computer'], [/CrOS/, 'Chromebook'], [/Linux/, 'Linux computer']];
    return words.find(([what]) => what.test(navigator.userAgent))?.[1] || 'My device';
}

export function addPasskey() {
    return ask('Add a passkey', 'A passkey is kept by this device, your phone or a security key. It signs you in without a password and cannot be phished.',
        [{ name: 'name', label: 'Name of the passkey', hint: 'So that you know it again in the list.', required: true, max: 100, value: deviceName() }],
        'Go on', async (v) => {
            const { body } = await post('/v1/me/passkeys/options');
            await post('/v1/me/passkeys', { ticket: body.ticket, name: v.name, credential: await webauthn.create(body.public_key) });
        });
}

export async function newRecoveryCodes() {
    const { body } = await post('/v1/me/recovery-codes');
    const text = body.codes.join('\n');
    await dialog('Your recovery codes', (close) => {
        const stored = h('input', { type: 'checkbox', id: 'stored' });
        const fault = h('p', { class: 'fault', role: 'alert' });
        return [
            h('p', null, 'Each code signs you in once when the second factor is lost. They are shown only now; older codes no longer work.'),
            h('ol', { class: 'codes', tabindex: '0', 'aria-label': 'Recovery codes' }, body.codes.map((c) => h('li', null, c))),
            h('div', { class: 'bar' }, copyButton(text),
                h('button', { type: 'button', onclick: () => save(new Blob([text + '\n'], { type: 'text/plain' }), 'bartizan-recovery-codes.txt') }, 'Save as a file'),
                h('button', { type: 'button', onclick: () => window.print() }, 'Print')),
            h('label', { class: 'tick', for: 'stored' }, stored, 'I have stored the codes where only I can find them.'), fault,
            h('div', { class: 'foot' }, h('button', {
                type: 'button', class: 'main', onclick: () => {
                    if (stored.checked)
                        close(true);
                    else
                        fill(fault, 'Store the codes first, then tick the box.');
                },
            }, 'Done')),
        ];
    }, { stay: true });
    return true;
}
