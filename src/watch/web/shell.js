// shell: the frame around every page of somebody who is signed in.
import { $, fill, h, name } from './dom.js';
import { get, post, setHooks } from './api.js';
import { stepUp } from './stepup.js';
import { problemNote, say, sayProblem, settled } from './ui.js';

const pages = [
    ['/account', 'Account'], ['/admin/people', 'People', 'user.read'], ['/admin/groups', 'Groups', 'group.read'], ['/admin/roles', 'Roles', 'role.read'],
    ['/admin/keys', 'Keys', 'key.read'], ['/admin/policies', 'Policies', 'policy.read'], ['/admin/approvals', 'Approvals', 'approval.read'],
    ['/admin/audit', 'Audit', 'audit.read'], ['/admin/traffic', 'Traffic', 'system.read'],
];

export function watchNetwork() {
    const bar = $('#progress');
    let timer = null;
    setHooks({
        busy: (on) => {
            clearTimeout(timer);
            if (on)
                timer = setTimeout(() => bar.classList.add('on'), 300);
            else
                bar.classList.remove('on');
        },
    });
    window.addEventListener('offline', () => say('warn', 'This device is offline.', 'What you see may be old; changes cannot be saved.'));
    window.addEventListener('online', () => say('good', 'The connection is back.'));
}

export function toSignIn() {
    location.assign('/sign-in?next=' + encodeURIComponent(location.pathname + location.search));
}

async function signOut() {
    try {
        await post('/v1/sign-out', {}, { open: true });
    } catch (error) {
        if (error.status !== 401) {
            sayProblem(error);
            return;
        }
    }
    location.assign('/sign-in');
}

const links = (me) => pages.filter(([, , action]) => !action || !me?.may || me.may.includes(action)).map(([path, word]) =>
    h('li', null, h('a', { href: path, 'aria-current': location.pathname === path ? 'page' : null }, word)));

function frame(me) {
    fill($('#top'), h('div', null,
        h('a', { class: 'brand', href: '/account' }, h('img', { src: '/assets/icon.svg', alt: '', width: 24, height: 24 }), 'bartizan'),
        h('nav', { 'aria-label': 'Pages' }, h('ul', null, links(me))),
        h('div', { class: 'who' }, me && name(me.display_name || me.name),
            h('button', { type: 'button', class: 'small', onclick: signOut }, 'Sign out'))));
}

// Every page begins so. `draw(me)` fills the page; what goes wrong in it is told on the page.
export async function start(draw) {
    const content = $('#content');
    let me = null;
    content.hidden = true;
    watchNetwork();
    setHooks({ signedOut: toSignIn, stepUp: () => stepUp(me) });
    try {
        me = (await get('/v1/me')).body;
        frame(me);
        await Promise.race([draw(me), new Promise((done) => setTimeout(done, 1500))]);
        await settled(1500);
    } catch (error) {
        if (error.cancelled)
            return;
        if (!$('#top').firstChild)
            frame(null);
        fill(content, problemNote(error, () => location.reload()));
        if (!error.status && error.status !== 0)
            throw error;
    } finally {
        content.hidden = false;
    }
    document.documentElement.dataset.ready = 'yes';
}
