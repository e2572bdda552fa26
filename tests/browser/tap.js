// tap: tests one after the other, told as TAP.
'use strict';
let count = 0;
let failed = 0;

const clean = (text) => String(text).replace(/[#\n]+/g, ' ');

async function test(name, run) {
    const began = Date.now();
    count++;
    try {
        const reason = await run();
        if (reason && reason.skip)
            console.log(`ok ${count} - ${clean(name)} # SKIP ${clean(reason.skip)}`);
        else
            console.log(`ok ${count} - ${clean(name)}`);
    } catch (error) {
        failed++;
        console.log(`not ok ${count} - ${clean(name)}`);
        for (const line of String(error.stack || error).split('\n').slice(0, 8))
            console.log('# ' + line);
    }
    if (process.env.BTZ_TIMES)
        console.log(`# ${Date.now() - began} ms`);
}

function is(found, wanted, what = 'value') {
    if (found !== wanted)
        throw new Error(`${what}: found ${JSON.stringify(found)}, wanted ${JSON.stringify(wanted)}`);
}

function ok(value, what) {
    if (!value)
        throw new Error(what);
}

// An empty list of complaints.
function none(list, what) {
    if (list.length)
        throw new Error(`${what}: ${list.length} complaints\n${[...new Set(list)].slice(0, 6).join('\n')}`);
}

function plan() {
    console.log(`1..${count}`);
    return failed;
}

module.exports = { test, is, ok, none, plan };
