// policies: the text of the rules, what a change would do, and why somebody may or may not do something.
import { $, fill, h, name, pill, span, when } from './dom.js';
import { all, del, get, post, put, query, url } from './api.js';
import { start } from './shell.js';
import { act, ask, empty, field, form, given, list, note, pending, say, section, table } from './ui.js';

const host = $('#content');
const sample = (called) => `# A policy adds roles. Rules say which actions a role may do on which resources, and when.
policy: ${called}
roles:
  evaluator:
    about: Runs evaluations on the small models.
    rules:
      - id: small-models
        effect: allow
        actions: [model.invoke]
        resources: ["model/small-*"]
`;

function overview(actions) {
    const policies = list({
        path: '/v1/policies', caption: 'Policies', none: 'No policy of your own yet.', hint: 'The ready roles always exist. A policy adds finer ones.',
        columns: [
            ['Policy', (p) => h('a', { href: query('/admin/policies', { policy: p.name }) }, name(p.name))],
            ['Roles', (p) => name((p.roles || []).join(', '))],
            ['Changed', (p) => when(p.updated)],
            ['By', (p) => name(p.updated_by || '')],
        ],
    });
    fill(host, h('section', { class: 'card', 'aria-label': 'Policies' }, h('div', { class: 'headline' }, h('h2', null, 'Your policies'), act('Write a policy', '', async () => {
        await ask('Write a policy', [], [{ name: 'name', label: 'Name', required: true, max: 127, hint: 'Small letters, digits and . _ - @ +.' }], 'Go on',
            (v) => location.assign(query('/admin/policies', { policy: v.name, new: 1 })));
    }, 'main')), policies.node), explainer(actions));
    policies.reload();
}

/* ---- one policy ---- */

// { changes: [{ principals, action, resource, before, after, contexts, of, context }], changed, more, less, capped }
function changes(body) {
    const items = body.changes;
    if (body.changed === 0)
        return note('good', h('p', null, h('strong', null, 'Nobody’s answers change.')), h('p', { class: 'soft' }, `${body.questions ?? ''} questions were asked, before and after.`));
    return [note('warn', h('p', null, h('strong', null, `${body.changed} answer${body.changed === 1 ? '' : 's'} change${body.changed === 1 ? 's' : ''}`),
        `: ${body.more ?? 0} allow more, ${body.less ?? 0} allow less.`, body.capped ? ` The first ${items.length} are shown.` : '')),
    table('Answers that change', [
        ['Who', (c) => name(c.principals.slice(0, 8).join(', ') + (c.principals.length > 8 ? ` and ${c.principals.length - 8} more` : ''))],
        ['Action', (c) => h('code', null, c.action)], ['Resource', (c) => h('code', null, c.resource)],
        ['Now', (c) => pill(c.before)], ['After saving', (c) => pill(c.after)],
        ['When', (c) => c.contexts < c.of && c.context ? Object.entries(c.context).map(([k, v]) => `${k.replaceAll('_', ' ')} ${typeof v === 'object' ? JSON.stringify(v) : v}`).join(', ') : 'always'],
    ], items)];
}

function editor(called, policy, etag) {
    const result = h('div', { 'aria-live': 'polite' });
    const text = field({ name: 'text', label: 'Rules as YAML', kind: 'textarea', class: 'mono', rows: 16, value: policy?.text ?? sample(called), hint: 'Default is deny; a rule that denies overrides every rule that allows.' });
    const area = $('textarea', text);
    let saved = policy ? area.value : null;
    area.setAttribute('wrap', 'off');
    const check = async () => {
        const { body } = await post('/v1/policies/check', { policy: called, text: area.value });
        return body;
    };
    window.addEventListener('beforeunload', (event) => {
        if (saved !== null && area.value !== saved)
            event.preventDefault();
    });
    const save = async () => {
        let diff;
        try {
            diff = await check();
        } catch (error) {
            fill(result, note('bad', h('p', null, h('strong', null, 'This cannot be saved.')), h('p', null, error.message)));
            return;
        }
        const answer = await ask('Save the policy?', changes(diff), [], 'Save', () => put(url`/v1/policies/${called}`, { text: area.value }, { etag }), { broad: true });
        if (!answer)
            return;
        if (!pending(answer)) {
            etag = answer.etag || etag;
            saved = area.value;
            fill(result);
            say('good', 'Saved. It is in force within a second.');
        }
    };
    return h('section', { class: 'card', 'aria-label': 'Policy' }, text, h('div', { class: 'bar' },
        act('Check', '', async () => {
            try {
                fill(result, changes(await check()));
            } catch (error) {
                if (!error.cancelled)
                    fill(result, note('bad', h('p', null, h('strong', null, error.title)), h('p', null, error.message)));
            }
        }), act('Save …', '', save, 'main'),
        policy && act('Delete', '', async () => {
            const answer = await ask('Delete the policy?', 'Roles that it defines, and what they allow, are gone within a second.', [], 'Delete', () => del(url`/v1/policies/${called}`, { etag }), { danger: true });
            if (answer && !pending(answer)) {
                saved = null;
                location.assign('/admin/policies');
            }
        }, 'bad')), result);
}

async function one(called, fresh, actions) {
    const place = h('div');
    fill($('#title'), name(called));
    document.title = `${called} · bartizan`;
    fill($('#lead'), h('a', { href: '/admin/policies' }, 'All policies'));
    fill(host, place, explainer(actions));
    if (fresh)
        fill(place, editor(called, null, null));
    else
        await section(place, () => get(url`/v1/policies/${called}`), (answer) => editor(called, answer.body, answer.etag));
}

/* ---- who may do what, and why ---- */

// A rule of an explanation: which, of which role, and by what its role came to whoever asks.
function ruleLine(r) {
    return [h('code', null, r.id), ' ', pill(r.effect), ' of role ', h('a', { href: query('/admin/roles', { role: r.role }) }, name(r.role)),
        r.bindings?.length ? [', held ', r.bindings.map((b, i) => [i ? ', ' : '', b.group ? ['by group ', name(b.group)] : 'directly', b.role !== r.role ? [' through ', name(b.role)] : null])] : null];
}

function explained(x) {
    const miss = x.nearest;
    return h('div', { class: 'note ' + (x.verdict === 'allow' ? 'good' : x.verdict === 'deny' ? 'bad' : 'warn') },
        h('p', null, pill(x.verdict), ' ', x.why),
        x.note && h('p', null, x.note),
        x.verdict === 'step-up' && x.mfa_within_s ? h('p', null, `A second factor shown within ${span(x.mfa_within_s)} would allow it.`) : null,
        h('dl', { class: 'facts' }, x.rule && [h('dt', null, 'Deciding rule'), h('dd', null, ruleLine(x.rule))],
            x.matching?.length > 1 ? [h('dt', null, 'All rules that fit'), h('dd', null, h('ul', { class: 'plain' }, x.matching.map((r) => h('li', null, ruleLine(r)))))] : null,
            miss && [h('dt', null, 'Nearest miss'), h('dd', null, ruleLine(miss), h('ul', null, (miss.unmet || []).map((u) => h('li', null, name(u)))))]));
}

function explainer(actions) {
    const result = h('div', { 'aria-live': 'polite' });
    return h('section', { class: 'card', 'aria-label': 'Explain' }, h('h2', null, 'Who may do what, and why'),
        h('p', { class: 'soft' }, 'Ask as the rules are now. Leave the rest empty when it does not matter: what is not known counts against the caller.'),
        form([h('div', { class: 'filters' }, [
            { name: 'principal', label: 'Person or service', required: true }, { name: 'action', label: 'Action', required: true, options: actions.map((a) => [a.name, a.about]) },
            { name: 'resource', label: 'Resource', required: true, placeholder: 'model/gpt-4o' }, { name: 'model', label: 'Model' }, { name: 'endpoint', label: 'Endpoint' }, { name: 'tool', label: 'Tool' },
            { name: 'cost', label: 'Cost' , inputmode: 'decimal' },
        ].map(field))], 'Explain', async (v) => {
            fill(result, explained((await post('/v1/explain', given(v))).body));
        }), result);
}

start(async () => {
    const asked = new URLSearchParams(location.search);
    const actions = await all('/v1/actions').catch(() => []);
    return asked.get('policy') ? one(asked.get('policy'), asked.has('new'), actions) : overview(actions);
});
