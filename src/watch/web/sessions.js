// sessions: columns that tell where somebody is signed in.
import { h, name, pill, when } from './dom.js';

// "Chrome on Linux" from a user agent; the whole text stays in the title.
export function browser(agent) {
    const one = (pairs) => pairs.find(([what]) => what.test(agent || ''))?.[1];
    const what = one([[/Edg\//, 'Edge'], [/Firefox\//, 'Firefox'], [/HeadlessChrome\/|Chrome\//, 'Chrome'], [/Safari\//, 'Safari'], [/curl\//, 'curl']]);
    const where = one([[/iPhone|iPad/, 'iOS'], [/Android/, 'Android'], [/Mac OS X/, 'macOS'], [/Windows/, 'Windows'], [/CrOS/, 'ChromeOS'], [/Linux/, 'Linux']]);
    if (!what)
        return agent ? name(agent.slice(0, 80)) : h('span', { class: 'soft' }, 'unknown');
    return h('span', { title: agent }, where ? `${what} on ${where}` : what);
}

export const sessionColumns = (buttons) => [
    ['Signed in', (s) => [when(s.created), s.current ? [' ', pill('this one', 'info')] : null]],
    ['Browser', (s) => browser(s.user_agent)],
    ['Address', (s) => name(s.address || '')],
    ['By', (s) => s.method],
    ['Last seen', (s) => when(s.seen)],
    ['', buttons],
];
