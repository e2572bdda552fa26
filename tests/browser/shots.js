// shots: pictures of the pages for eyes and for the guide: BTZ_SHOTS=FOLDER tests/cli/browser.sh
'use strict';
const fs = require('fs');
const path = require('path');

async function shots(w, b, folder) {
    fs.mkdirSync(folder, { recursive: true });
    const list = [['account', '/account'], ['people', '/admin/people'], ['person', '/admin/people?user=bob'], ['groups', '/admin/groups'], ['group', '/admin/groups?group=research'], ['roles', '/admin/roles'],
        ['role', '/admin/roles?role=operator'], ['keys', '/admin/keys'], ['policies', '/admin/policies'], ['policy', '/admin/policies?policy=evaluation'], ['approvals', '/admin/approvals'], ['audit', '/admin/audit'], ['traffic', '/admin/traffic']];
    for (const [name, where] of list)
        for (const [width, height] of [[1280, 900], [390, 844]])
            for (const dark of [false, true]) {
                await b.size(width, height);
                await b.dark(dark);
                await b.open(w.base + where);
                await b.whole(path.join(folder, `${name}-${width}${dark ? '-dark' : ''}.png`), width);
            }
    await b.size(1280, 900);
    await b.dark(false);
}

module.exports = { shots };
