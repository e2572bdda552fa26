// approvals: changes that wait for a second pair of eyes.
import { $, facts, fill, h, name, pill, when } from './dom.js';
import { post, query, url } from './api.js';
import { start } from './shell.js';
import { act, ask, field, list, say } from './ui.js';

const host = $('#content');

function decide(a, me, reload) {
    if (a.status !== 'pending')
        return null;
    if (a.principal === me.id)
        return h('span', { class: 'soft' }, 'yours: somebody else decides');
    const run = async (word, title, what, danger) => {
        const answer = await ask(title, [h('p', null, what), request(a)], [{ name: 'reason', label: 'Why', kind: 'textarea', rows: 2, required: true, max: 500 }],
            title.replace('?', ''), (v) => post(url`/v1/approvals/${a.id}` + '/' + word, v), { danger, broad: true });
        if (answer) {
            say('good', word === 'approve' ? 'Approved. The change is made.' : 'Refused. Nothing is changed.');
            reload();
        }
    };
    const about = `${a.operation} by ${asker(a)}`;
    return [act('Approve', about, () => run('approve', 'Approve?', 'The change is made at once, under the name of who asked and yours.')),
        act('Refuse', about, () => run('deny', 'Refuse?', 'The change is not made. Who asked sees your reason.', true), 'bad')];
}

const asker = (a) => a.name || a.principal;
const request = (a) => facts(a.input);

start((me) => {
    const state = field({ name: 'status', label: 'Show', kind: 'select', options: [['pending', 'Waiting'], ['', 'All']], value: 'pending' });
    const approvals = list({
        path: '/v1/approvals', fields: () => ({ status: $('select', state).value }), caption: 'Approvals', none: 'Nothing waits for you.',
        hint: 'Which changes need two people is set by access.four_eyes in bartizan.yaml.',
        columns: [
            ['Asked by', (a) => [name(asker(a)), a.reason ? h('span', { class: 'soft' }, name(a.reason)) : null]],
            ['Change', (a) => [h('code', null, a.operation), request(a)]],
            ['Asked', (a) => when(a.created)],
            ['Ends', (a) => when(a.expires)],
            ['Status', (a) => [pill(a.status), a.decided_name ? h('span', { class: 'soft' }, 'by ', name(a.decided_name)) : null]],
            ['', (a) => decide(a, me, () => approvals.reload())],
        ],
    });
    // Who broke the glass, until somebody else has looked at it.
    const emergencies = list({
        path: '/v1/emergencies', caption: 'Emergencies', none: 'No emergency waits for a review.',
        columns: [
            ['Who', (e) => name(e.name)], ['Why', (e) => name(e.reason)], ['From', (e) => when(e.at)], ['Until', (e) => when(e.until)],
            ['', (e) => e.principal === me.id ? h('span', { class: 'soft' }, 'yours: somebody else reviews') : act('Review', `emergency of ${e.name} at ${e.at.slice(0, 19)}`, async () => {
                const done = await ask('Review the emergency', [h('p', null, 'Look at what was done in that time: ', h('a', { href: query('/admin/audit', { principal: e.name }) }, 'audit trail of ', name(e.name)), '.')],
                    [{ name: 'remark', label: 'What was done, and was it right?', kind: 'textarea', required: true, max: 500 }], 'Reviewed', (v) => post(url`/v1/emergencies/${e.id}` + '/review', v));
                if (done)
                    emergencies.reload();
            })],
        ],
    });
    $('select', state).addEventListener('change', approvals.reload);
    fill(host, h('section', { class: 'card', 'aria-label': 'Approvals' }, h('div', { class: 'bar' }, state), approvals.node),
        h('section', { class: 'card', 'aria-label': 'Emergencies' }, h('h2', null, 'Broken glass'), emergencies.node));
    approvals.reload();
    emergencies.reload();
});
