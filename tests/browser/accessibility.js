// accessibility: what a machine can check of WCAG 2.2 AA, as rules of our own over a page in a real browser. Names and roles are
// those that the browser computes for assistive technology (WebDriver: computedlabel, computedrole).
'use strict';

// Runs in the page. Returns a list of complaints.
function look() {
    const bad = [];
    const complain = (rule, node, why) => bad.push(`${rule}: ${node ? describe(node) : ''} ${why || ''}`.trim());
    const describe = (e) => `<${e.tagName.toLowerCase()}${e.id ? '#' + e.id : ''}${e.className && typeof e.className === 'string' ? '.' + e.className.trim().replace(/\s+/g, '.') : ''}> "${(e.textContent || e.value || '').trim().slice(0, 40)}"`;
    const top = [...document.querySelectorAll('dialog[open]')].pop();
    const scope = top || document.body;
    const visible = (e) => e.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true }) && e.getBoundingClientRect().width > 1;
    const all = (css) => [...scope.querySelectorAll(css)].filter(visible);

    /* document */
    if (!/^[a-z]{2}(-|$)/.test(document.documentElement.lang))
        complain('html-lang', document.documentElement);
    if (document.title.trim().length < 4)
        complain('document-title', null, document.title);
    if (!/width=device-width/.test(document.querySelector('meta[name=viewport]')?.content || '') || /maximum-scale|user-scalable/.test(document.querySelector('meta[name=viewport]').content))
        complain('meta-viewport', null);
    if (!top) {
        if (all('h1').length !== 1)
            complain('one-h1', null, `${all('h1').length} of them`);
        if (document.querySelectorAll('main').length !== 1)
            complain('one-main', null);
        for (const e of document.querySelectorAll('body *'))
            if (!e.children.length && e.textContent.trim() && visible(e) && !e.closest('main, header, nav, footer, dialog, [role=status], .skip'))
                complain('landmarks', e, 'is outside of every landmark');
    }
    let level = top ? 1 : 0;
    for (const heading of all('h1, h2, h3, h4, h5, h6')) {
        const now = Number(heading.tagName[1]);
        if (now > level + 1)
            complain('heading-order', heading, `after level ${level}`);
        if (!heading.textContent.trim())
            complain('empty-heading', heading);
        level = now;
    }
    const names = [...document.querySelectorAll('nav, section[aria-label], [role=search]')].map((e) => e.tagName + (e.getAttribute('aria-label') || ''));
    if (new Set(names).size !== names.length)
        complain('landmark-unique', null, names.join(', '));

    /* references */
    const seen = new Set();
    for (const e of document.querySelectorAll('[id]')) {
        if (seen.has(e.id))
            complain('duplicate-id', e);
        seen.add(e.id);
    }
    for (const name of ['aria-labelledby', 'aria-describedby', 'for', 'list', 'aria-controls'])
        for (const e of document.querySelectorAll(`[${name}]`))
            for (const id of e.getAttribute(name).split(/\s+/))
                if (!document.getElementById(id))
                    complain('reference', e, `${name}=${id}`);
    for (const e of document.querySelectorAll('img'))
        if (!e.hasAttribute('alt'))
            complain('image-alt', e);
    for (const e of document.querySelectorAll('[tabindex]'))
        if (e.tabIndex > 0)
            complain('tabindex', e);
    for (const e of all('a'))
        if (!e.hasAttribute('href'))
            complain('link-without-target', e);
    for (const t of all('table')) {
        if (!t.caption?.textContent.trim())
            complain('table-caption', t);
        for (const th of t.querySelectorAll('th'))
            if (!th.scope)
                complain('th-scope', th);
    }
    for (const e of all('ul > *, ol > *'))
        if (e.tagName !== 'LI')
            complain('list', e);
    for (const e of all('dl > *'))
        if (!['DT', 'DD', 'DIV'].includes(e.tagName))
            complain('definition-list', e);
    for (const e of all('input[type=password]'))
        if (!/^(current|new)-password$/.test(e.autocomplete))
            complain('autocomplete', e);
    for (const outer of all('a, button, summary'))
        if (outer.querySelector('a, button, input, select, textarea'))
            complain('nested-interactive', outer);

    /* contrast: WCAG 2.2 1.4.3 and 1.4.11 */
    const parse = (text) => {
        const n = text.match(/[\d.]+/g).map(Number);
        return text.startsWith('color(') ? [n[0] * 255, n[1] * 255, n[2] * 255, n[3] ?? 1] : [n[0], n[1], n[2], n[3] ?? 1];
    };
    const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
    const luminance = (c) => {
        const [r, g, b] = c.slice(0, 3).map((v) => {
            const s = v / 255;
            return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (a, b) => {
        const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
        return (x + 0.05) / (y + 0.05);
    };
    const background = (e) => {
        const layers = [];
        for (let at = e; at; at = at.parentElement) {
            const c = parse(getComputedStyle(at).backgroundColor);
            if (c[3] > 0)
                layers.push(c);
            if (c[3] === 1)
                break;
        }
        return layers.reverse().reduce((under, c) => over(c, under), matchMedia('(prefers-color-scheme: dark)').matches ? [0, 0, 0, 1] : [255, 255, 255, 1]);
    };
    const texts = document.createTreeWalker(scope, NodeFilter.SHOW_TEXT);
    const judged = new Set();
    while (texts.nextNode()) {
        const e = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || judged.has(e) || !visible(e) || e.closest('.hidden, caption, .skip, noscript, option'))
            continue;
        judged.add(e);
        const style = getComputedStyle(e);
        const under = background(e);
        const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
        const r = ratio(over(parse(style.color), under), under);
        if (r < (large ? 3 : 4.5))
            complain('contrast', e, `${r.toFixed(2)} (${style.color} on ${under.slice(0, 3)})`);
        if (parseFloat(style.fontSize) < 12)
            complain('small-text', e, style.fontSize);
    }
    for (const e of all('input:not([type=checkbox]):not([type=radio]), select, textarea')) {
        const style = getComputedStyle(e);
        const around = background(e.parentElement);
        if (ratio(over(parse(style.borderTopColor), around), around) < 3)
            complain('contrast-border', e, style.borderTopColor);
        if (ratio(over(parse(style.color), background(e)), background(e)) < 4.5)
            complain('contrast', e);
        if (e.placeholder && ratio(over(parse(getComputedStyle(e, '::placeholder').color), background(e)), background(e)) < 4.5)
            complain('contrast-placeholder', e, getComputedStyle(e, '::placeholder').color);
    }

    /* targets and focus: 2.5.8, 2.4.7, 2.4.13 */
    const back = document.activeElement;
    const x = scrollX, y = scrollY;
    for (const e of all('a[href], button, input, select, textarea, summary, [tabindex="0"]')) {
        const box = e.getBoundingClientRect();
        const inText = e.tagName === 'A' && getComputedStyle(e).display === 'inline';
        const area = e.type === 'checkbox' ? e.closest('label')?.getBoundingClientRect() || box : box;
        if (!inText && (area.width < 24 || area.height < 24))
            complain('target-size', e, `${Math.round(area.width)}x${Math.round(area.height)}`);
        e.focus({ focusVisible: true, preventScroll: true });
        if (document.activeElement !== e) {
            complain('focusable', e);
            continue;
        }
        const style = getComputedStyle(e);
        const around = background(e.parentElement);
        if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2 || ratio(over(parse(style.outlineColor), around), around) < 3)
            complain('focus-visible', e, `${style.outlineStyle} ${style.outlineWidth} ${style.outlineColor}`);
    }
    if (back && back !== document.body)
        back.focus({ preventScroll: true });
    else
        document.activeElement?.blur();
    scrollTo(x, y);

    /* 1.4.10 */
    if (document.documentElement.scrollWidth > innerWidth)
        complain('reflow', [...document.querySelectorAll('body *')].find((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.hidden, .skip')), `${document.documentElement.scrollWidth} > ${innerWidth}`);
    if (top) {
        if (!top.getAttribute('aria-labelledby'))
            complain('dialog-name', top);
        if (!top.contains(document.activeElement))
            complain('dialog-focus', document.activeElement);
        if (!top.matches(':modal'))
            complain('dialog-modal', top);
    }
    return bad;
}

const controls = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';

// Names and roles as assistive technology gets them.
async function named(browser) {
    const bad = [];
    const scope = await browser.run(`return document.querySelector('dialog[open]') ? 'dialog[open] ' : ''`);
    const css = controls.split(', ').map((c) => scope + c).join(', ');
    const shown = await browser.run(`return [...document.querySelectorAll(arguments[0])].map((e, i, all) => e.checkVisibility() && (i < 45 || i > all.length - 15))`, css);
    const ids = await browser.all(css);
    const facts = await Promise.all(ids.map(async (id, i) => shown[i] && {
        label: await browser.call('GET', `/element/${id}/computedlabel`), role: await browser.call('GET', `/element/${id}/computedrole`), i,
    }));
    for (const f of facts.filter(Boolean)) {
        if (!f.label.trim())
            bad.push(`name: control ${f.i} (${f.role}) has none`);
        if (!f.role || f.role === 'generic' || f.role === 'none')
            bad.push(`role: control ${f.i} "${f.label}" is ${f.role || 'nothing'}`);
    }
    // Buttons of rows must be told apart.
    const buttons = facts.filter((f) => f && f.role === 'button').map((f) => f.label);
    for (const label of new Set(buttons))
        if (!/^(Show|Hide) password$/.test(label) && buttons.filter((b) => b === label).length > 1)
            bad.push(`name: several buttons are "${label}"`);
    return bad;
}

// Every control is reached by the Tab key, in the order of the page.
async function tabbed(browser) {
    await browser.run(`const scope = document.querySelector('dialog[open]') || document;
        window.tabbed = new Set();
        window.wanted = [...scope.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility() && e.tabIndex >= 0 && !e.disabled);
        document.addEventListener('focusin', (event) => window.tabbed.add(event.target));
        if (!document.querySelector('dialog[open]')) { document.activeElement?.blur(); scrollTo(0, 0); }
        else window.tabbed.add(document.activeElement);`, controls);
    const count = await browser.run('return window.wanted.length');
    await browser.keys('\uE004'.repeat(Math.ceil(count * 1.2) + 24)); // date fields have parts
    return browser.run(`return window.wanted.filter((e) => !window.tabbed.has(e)).map((e) => 'keyboard: not reached: ' + e.outerHTML.slice(0, 120))`);
}

async function check(browser, what = {}) {
    const bad = await browser.run(`return (${look.toString()})()`);
    if (what.names !== false)
        bad.push(...await named(browser));
    if (what.keyboard !== false)
        bad.push(...await tabbed(browser));
    return bad;
}

module.exports = { check, look };
