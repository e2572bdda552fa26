// keylist: API keys in a table, with making, rotating and revoking them. Own keys and everybody's.
import { h, name, pill, when } from './dom.js';
import { del, post } from './api.js';
import { act, ask, given, list, pending, say, showOnce } from './ui.js';

const day = 86400000;
const lives = [['30', '30 days'], ['90', '90 days'], ['180', '180 days'], ['365', 'one year'], ['', 'for good (not advised)']];

export const keyFields = [
    { name: 'name', label: 'What it is for', hint: 'Such as "nightly evaluation".', required: true, max: 100 },
    { name: 'scopes', label: 'What it may do', kind: 'textarea', rows: 2, hint: 'One a line: an action and a resource, such as "model.invoke model/gpt-*". Empty: everything its owner may do, but for administration.', optional: true },
    { name: 'days', label: 'Works for', kind: 'select', options: lives, value: '90' },
];

export function keyBody(v) {
    const { days, scopes, ...rest } = v;
    return given({
        ...rest, scopes: (scopes || '').split('\n').map((s) => s.trim()).filter(Boolean),
        expires: days ? new Date(Date.now() + Number(days) * day).toISOString() : '',
    });
}

export const showSecret = (body) => showOnce('Store this key now', 'It is shown only this once. bartizan keeps a hash of it and cannot show it again. If it is lost, make another.', body.secret || body.key);

// `owner`: keys of that one only. `readOnly`: nobody gets the secret of another person's key.
export function keySection({ path, own, owner, readOnly, fields, none }) {
    const isPerson = (k) => !own && k.principal.startsWith('usr_');
    const columns = [
        ['Key', (k) => [name(k.name), h('span', { class: 'soft mono' }, k.shown)]],
        !own && !owner && ['Owner', (k) => name(k.principal_name || k.principal)],
        ['Status', (k) => pill(k.status)],
        ['May', (k) => k.scopes?.length ? h('ul', { class: 'plain' }, k.scopes.map((s) => h('li', null, h('code', null, s)))) : h('span', { class: 'soft' }, 'what its owner may')],
        ['Until', (k) => when(k.expires) || h('span', { class: 'soft' }, 'for good')],
        ['Last used', (k) => when(k.last_used) || h('span', { class: 'soft' }, 'never')],
        ['', (k) => k.status !== 'active' ? null : [
            !readOnly && !isPerson(k) && act('Rotate', k.name, async () => {
                const answer = await ask('Rotate the key', [h('p', null, 'A new key takes over from ', h('strong', null, name(k.name)), '. The old one goes on working for the overlap, so that nothing breaks while you change it.')],
                    [{ name: 'overlap', label: 'Overlap', kind: 'select', options: [['0s', 'none: the old key stops now'], ['1h', '1 hour'], ['24h', '1 day'], ['7d', '7 days']], value: '24h' }],
                    'Rotate', (v) => post(`${path}/${encodeURIComponent(k.id)}/rotate`, v));
                if (answer && !pending(answer))
                    await showSecret(answer.body);
                if (answer)
                    keys.reload();
            }),
            act('Revoke', k.name, async () => {
                const answer = await ask('Revoke the key?', [h('p', null, h('strong', null, name(k.name)), ' stops working within a second, for good.')], [], 'Revoke',
                    () => del(path + '/' + encodeURIComponent(k.id)), { danger: true });
                if (answer && !pending(answer))
                    say('good', 'The key is revoked.');
                if (answer)
                    keys.reload();
            }, 'bad')]],
    ].filter(Boolean);
    const keys = list({ path, fields, caption: 'Keys', columns, none: none || 'No keys.', hint: own ? 'A key lets a program act for you. Give it only what it needs.' : null });
    keys.reload();
    return h('section', { class: 'card', 'aria-label': own ? 'Your API keys' : 'Keys' }, h('div', { class: 'headline' }, h('h2', null, own ? 'Your API keys' : owner ? 'Keys' : 'All keys'),
        !readOnly && act('Make a key', '', async () => {
            const answer = await ask('Make a key', [], own || owner ? keyFields : [{ name: 'principal', label: 'Service', hint: 'The service that the key acts for. People make their own keys.', required: true }, ...keyFields], 'Make the key',
                (v) => post(path, keyBody(owner ? { ...v, principal: owner } : v)));
            if (answer && !pending(answer))
                await showSecret(answer.body);
            if (answer)
                keys.reload();
        })), keys.node);
}
