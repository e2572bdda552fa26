/*
 * Ideas that attacks are made of, in the words of many languages: a word gives its idea, so that what was learnt of one
 * wording or language serves another. "word*" stands for all words with those first five letters. Weights decide what the
 * ideas are worth; none of them is suspicious by itself.
 */
#include <stdlib.h>

#include "gate/guard/classify_features.h"

enum idea {
    IDEA_NONE,
    IDEA_IGNORE,
    IDEA_RULES,
    IDEA_PRIOR,
    IDEA_REVEAL,
    IDEA_SYSTEM,
    IDEA_SECRET,
    IDEA_PROMPT,
    IDEA_PERSONA,
    IDEA_UNLIMITED,
    IDEA_NOT,
    IDEA_LIMIT,
    IDEA_REFUSE,
    IDEA_BOSS,
    IDEA_MODEL,
    IDEA_YOU,
    IDEA_ME,
    IDEA_USER,
    IDEA_SEND,
    IDEA_ANSWER,
    IDEA_MUST,
    IDEA_NOW,
    IDEA_NEW,
    IDEA_EXACT,
    IDEA_OFF,
    IDEA_ON,
    IDEA_MODE,
    IDEA_FOLLOW,
    IDEA_ALL,
    IDEA_TELL,
    IDEA_TEXT,
    IDEA_VALID
};

static const struct {
    enum idea idea;
    const char *words;
} ideas[] = {
    { IDEA_IGNORE,
      "ditch screw nuke release released freed evade sidestep retire retired burn burned burnt "
      "withdraw withdrew ignroe igonre forgte disregrad negate reject skippa släpp porzuć плюй "
      "ignorálj ohita eira unustage pamiršk aizmirsti harro puuza sahau balewalain kalimutan "
      "ahaztu hunsaðu gleymdu ignoru forgesu ignoreer ignor* disre* omgå contourne contourner "
      "sáltate salta elude aggira contorne омзей обойди "
      "обойти obejdź hoppa lass lasse 绕过 회피 우회 避け  unfollow stop quit cease desist waive "
      "waived rescind* rescinded withdrawn "
      "dispense refrain  forget forgets forgot forgotten overr* bypas* circu* neglect neglects "
      "overlook dismi* disca* abandon* suspe* erase unlearn wipe drop revoke* revok* void nullify "
      "trash scrub undo reset stopp stoppe höre arrête arrêtez cesse laisse deja smetti pare stop "
      "prestań przestań прекрати перестань bırak sluta lopeta přestaň hagyd berhenti ngừng σταμάτα "
      "توقف बंद 别再 停止 やめ 그만 멈춰 "
      "cancel cancelled cancels scrap supersede* disobey break violate overwrite skip "
      "ignoriere* ignorieren vergiss vergessen missachte missachten missa* umgehe ignorez oublie "
      "oubliez oublier olvida olvide olvidar descarta dimen* ignora scorda esqueca esqueça "
      "esquecer desconsidere negeer vergeet zignoruj zapomnij pomin игнорируй игнорируйте "
      "игнорировать проигнорируй забудь забудьте ігноруй забудь unut yoksay glöm glem ignorera "
      "unohda ignoruj zapomeň felejtsd abaikan lupakan quên αγνόησε ξέχνα تجاهل تجاهلي انس انسى "
      "התעלם שכח अनदेखा भूल नजरअंदाज 忽略 无视 忘记 忽視 無視 忘れ 무시 무시하고 무시해 잊고 잊어 "
      "เพิกเฉย" },
    { IDEA_RULES,
      "rulebook brief briefing setup rulez rulebooks restraints leash chains shackles muzzle "
      "duties mandate obligations ordinances reeglid juhised noteikumi taisykles rregullat maagizo "
      "sheria tagubilin panuntunan reëls reglum regulojn instr* rule script scripts norm norms "
      "правилами règlements normativa ordini ordres órdenes "
      "ordens bevel* befehl* befehle 命令 명령 명령을 εντολ* أوامري أوامر  rules guide* direc* "
      "polic* const* order orders comma* progr* proto* "
      "train* alignment anwei* regel regeln richt* vorga* vorgaben vorschriften consi* règle "
      "règles regles direct* reglas regla direc* instrucciones normas istru* regole regola linee "
      "regras regra diretrizes polec* zasad* zasady reguł wytyc* инстр* правила правил указан* "
      "указания приказы talim* kural* pokyn* pravi* utasí* szabá* instruk* ohjee* ohjeet aturan "
      "instruksi hướng quy οδηγί* κανόνες تعليم* التعليمات تعليماتك القواعد قواعد قيود הוראות "
      "ההוראות כללים निर्देश निर्देशों नियम 指令 指示 规则 規則 規定 规定 ルール 지시 지시를 지침 "
      "지침을 규칙 규칙은 "
      "คำสั่ง" },
    { IDEA_PRIOR,
      "previ* prior above earli* before prece* origi* initi* former old exist* begin* start vorhe* "
      "bisherig* bisher* obige oberhalb vorig* zuvor précé* ci-dessus avant antér* anter* prece* "
      "ante* arriba acima preced* eerde* boven vorige poprz* powyżej wcześ* преды* прежние выше "
      "ранее попер* önceki yukarı* předc* předchozí tidig* tidligere aiem* korábbi sebelumnya "
      "trước προηγ* السابقة السابق أعلاه הקודמות הקודם पिछले पिछली ऊपर 之前 以上 上述 以前 これま "
      "이전 이전의 "
      "위에 지금까지의 ก่อนหน้า" },
    { IDEA_REVEAL,
      "divulges unveil uncover confess admit spit relay transmit retrieve regurgitate näita parādi "
      "parodyk trego onyesha ipakita wys sýndu montru amosa reveal reveals expon* hervor montrer "
      "dis-moi ver enseña mostrar fale mów говори konuş "
      "laat-zien näe نعم type spells  revealing gimme give display displays provide furnish "
      "surrender hand recall "
      "reproduce list enumerate describe summarise summarize translate encode convert kopiere "
      "kopier übersetze lies copie recopie copia copiar copie traduis traduce traduci traduza cite "
      "cita citeer lis kopieer vertaal skopiuj przetłumacz скопируй переведи процитируй назови "
      "kopyala çevir kopiera kopier zkopíruj másold salin terjemahkan انسخ ترجم 复制 翻译 コピ "
      "翻訳 복사 복사해 번역해  displ* print prints output outputs dump leak leaks recite recit* "
      "disclose discl* divulge expose show shows repeat quote paste copy spill echo cat zeige "
      "zeig gib ausgib nenne nenn wiederhole offenbare verrate verrat affiche montre révèle "
      "révél* répète répét* donne muéstrame muestra muestre revela revele repite imprime "
      "mostrami mostra rivelami rivel* ripeti stampa mostre repita revele toon herhaal laat "
      "pokaż powtórz ujawnij wypisz покажи повтори выведи раскрой напиши göster yaz visa vis "
      "skriv näytä vypiš ukaž írd mutasd tampilkan hiển tunjukkan δείξε اعرض كرر اكشف اكتب הצג "
      "दिखाओ लिखो बताओ 显示 输出 打印 重复 告诉 透露 表示 出力 繰り 教えて 보여줘 출력 출력해 "
      "반복해 알려줘 แสดง" },
    { IDEA_SYSTEM,
      "system systems syste* systé* siste* systeem sistem* развед* систе* järje* rends* rendszer "
      "sistem hệ συστή* النظام נظام המערכת सिस्टम 系统 系統 シス 시스템 ระบบ" },
    { IDEA_SECRET,
      "undisclosed classified unspoken hush secret secrets code codes phrase guarded guarding "
      "protect forbidden forbid* prohi*  hidden "
      "confi* password passphrase passw* codew* canary marker flag keyword "
      "inter* private token credential* crede* geheim geheime geheimen geheimes verborgen* "
      "versteckt* "
      "verbo* verst* passwort kennwort cachées caché cachee secrète secret mot-de-passe ocult* "
      "oculta* secreto secreta contraseña clave nascos* segreta segreto parola-chiave ocultas "
      "secreta senha verborgen wachtwoord ukryte ukryt* tajne hasło скрыт* секре* пароль gizli "
      "parola şifre hemlig* hemme* tajn* titkos rahasia mật κρυφ* السرية سرية المخفية كلمة-السر "
      "סוד "
      "छिपे गुप्त 秘密 隐藏 密码 机密 隠さ 비밀 숨겨진 ลับ" },
    { IDEA_PROMPT,
      "prompt prompts systempr* preamble promptu 提示 プロ 프롬프트 프롬프트를 промпт prompta "
      "istem "
      "istemini kehote* systemprompt systemprompten startprompt sysprompt พรอมต์ प्रॉम्प्ट موجه" },
    { IDEA_PERSONA,
      "actor twin alter alterego villain voice voices embodying portray act acts pose slip "
      "personality talk impersonate freies freie  actor  prete* rolep* role "
      "persona character simul* imagi* become play plays "
      "pretends "
      "impersonate embody emulate adopt spiel* spiele rolle tu-so fais joue rôle comporte actúa "
      "actua finge haz papel agisci fingi ruolo aja finja atue doe rol udawaj zachowuj притво* "
      "веди представь роль davran gibi låtsas spela berpura rol 扮演 假装 角色 ふり 演じ 역할 척해 "
      "تظاهر تصرف" },
    { IDEA_UNLIMITED,
      "lawless untamed unbounded unchained boundless ungoverned unrestrained godmode nofilter "
      "unmoderated unprompted unres* unfil* raw evil freely  uncen* unlim* jailb* amoral immoral "
      "unethical unbound "
      "liberated freed "
      "unshackled "
      "unaligned dan libre libres uneingeschränkt* unzensiert ungefiltert sinrestricciones "
      "sansfiltre" },
    { IDEA_NOT,
      "not no never nobody nothing  dont don't without none cannot can't nicht kein keine keinen "
      "keiner ohne nie "
      "niemals ne pas sans jamais aucun aucune non no sin nunca ningún ninguna senza mai nessun "
      "não sem nenhum geen zonder nooit nie bez żadnych nigdy не без никогда никаких olmadan "
      "olmayan asla inte utan aldrig ikke uden ei ilman ne nem nélkül tidak tanpa không χωρίς δεν "
      "بدون بلا لا ולא ללא बिना नहीं 没有 不要 不会 任何 なし ない 없이 없는 않 ไม่" },
    { IDEA_LIMIT,
      "filtering limiter moderator moderation censor blocker blocks refusal constraint safeguard "
      "fences limit limits guardr* guardrails refusals morals beschränkungen besch*  limit* restr* "
      "filter "
      "filte* censo* safety bounda* ethic* moral ethics "
      "einschränkung* einsc* grenzen filtern limites contrainte* filtros límites restric* limiti "
      "restrizioni filtri limites filtros restrições beperk* ogran* ograniczeń filtrów огран* "
      "ограничений фильт* sınır* sınırsız filtr* begrä* begræ* rajoi* batasan filter giới "
      "περιορ* قيود حدود सीमा फ़िल्टर 限制 过滤 制限 フィル 제한 필터 필터가" },
    { IDEA_REFUSE,
      "refus* declin* decline apolo* warnings disclaimers deny reject ablehn* verwei* verweigert "
      "refuse refusez niega niegues rechaz* rifiut* recusa recusar weigert weiger* odmaw* отказ* "
      "отказываешь reddet* vägra nægt* menolak từ-chối ترفض रफ़्यूज 拒绝 拒否 거절 거절하지" },
    { IDEA_BOSS,
      "makers handlers handler vendor operators engineers developers creators owners company "
      "bosses clearance privileged superuser admin admini* boss adminis ceo head  devel* creat* "
      "opera* openai anthr* root sudo autho* "
      "owner superv* maker "
      "engineer verwal* entwi* betreiber développeur devel* desar* desarrollador svilu* "
      "ontwi* progra* админ* разраб* yönet* kehit* 管理员 管理 开发者 開発者 관리자 개발자 المسؤول "
      "المطور" },
    { IDEA_MODEL,
      "ai ais assis* chatbot chatbots bot bots model models llm llms gpt chatg* claude gemini "
      "copilot agent agents ki ia assistent* chat-bot asist* ассис* модель ии нейро* yapay zeka "
      "人工 智能 助手 モデ 인공 모델 الذكاء مساعد" },
    { IDEA_YOU,
      "you your yours yourself u ur youre du dein deine deinen deinem dir dich ihre ihr tu ton ta "
      "tes te toi vous votre vos tú tus tuyo eres tuo tua tuoi tue sei você seu sua suas je jouw "
      "jij ty twój twoje swój ты твой твои свой свои вы ваш sen senin din ditt dina sinun sinä "
      "kamu mu anda bạn σου أنت ك तुम अपना अपने आप 你 您 你的 あな 너는 네 너의 당신" },
    { IDEA_ME, "me my i mine mir mich mein ich moi mon ma mes mí mi mio mia meu mim mij mijn mnie "
               "moje mi мне "
               "мои мой меня bana benim mig mitt minun saya tôi μου لي मुझे मेरा 我 わた 나 내 나를" },
    { IDEA_USER,
      "user users reader reade* customer* recipient benutzer nutzer utilisateur usuario utente "
      "usuário gebruiker użytk* польз* kullan* 用户 ユー 사용자" },
    { IDEA_SEND,
      "send sends forward forwa* upload post email e-mail mail trans* visit click click* download "
      "fetch curl navigate execute run call invoke delete remove approve accept grant insert "
      "include add append sende schicke weiterleiten envoie envoyer envía reenvía invia inoltra "
      "envie stuur wyślij отпра* gönder skicka 发送 转发 点击 送信 보내" },
    { IDEA_ANSWER,
      "answe* reply replies respo* summa* output outputs antwo* répon* répond* respuesta respon* "
      "risposta rispondi resposta responda antwoord odpow* ответ* отвечай cevap svara svar "
      "vastaa jawab trả-lời απάντ* أجب जवाब 回答 回复 答え 대답 대답해" },
    { IDEA_MUST,
      "must shall should ordered required obliged need needs have-to muss musst müssen soll sollst "
      "dois doit devez debes debe devi deve moet musisz должен должны måste harus phải يجب 必须 "
      "必ず" },
    { IDEA_NOW,
      "now hence* onwards immed* today jetzt ab nun sofort désormais maintenant partir ahora "
      "adelante "
      "ora adesso agora nu voortaan teraz odtąd теперь сейчас artık şimdi nyní mulai sekarang "
      "bây-giờ τώρα الآن अब 现在 从现 今か 이제 지금" },
    { IDEA_NEW,
      "new fresh repla* updated updat* instead neue neuen neues stattdessen nouvelle nouveau nueva "
      "nuevo nuova nuovo nova novo nieuwe nowe nowy новые новый yeni ny nya baru mới νέα جديدة नया "
      "新的 新し 새로운" },
    { IDEA_EXACT,
      "verba* exact exactl* exactly word words letter full entire complete complet* unchanged "
      "wörtlich wort genau vollständig* volls* mot exact exactement texto palabra palabras exact* "
      "parola alla-lettera literalmente woord woordelijk słowo dokładnie дослов* слово полно* "
      "kelimesi ordagrant ord sanasta slovo szó kata nguyên حرفيا نصا शब्दशः 逐字 原文 一字 "
      "그대로" },
    { IDEA_OFF,
      "off disab* deact* lifted remov* removed turned unlock unloc* released abschalten "
      "deaktiviere "
      "aus désactive désac* desac* desactiva disattiva desative uitsc* wyłącz отклю* kapat 关闭 "
      "解除 無効 해제" },
    { IDEA_ON,
      "enable enabl* activ* enter entering switch load loaded aktiv* einschalten schalte active "
      "activa attiva ative schakel włącz включи перейди passe aç 进入 启用 打开 有効 활성" },
    { IDEA_MODE,
      "mode modus modo modalità trybie tryb режим modunu läge tilstand 模式 モー 모드 وضع" },
    { IDEA_FOLLOW,
      "follow follo* obey obeys comply compl* adhere abide listen serve folge gehorche befolge "
      "obéis obéir suis suivre obedece sigue seguir obbedisci segui obedeça siga gehoorzaam volg "
      "słuchaj слушайся выполняй следуй itaat lyd følg lyssna 听我 遵守 服从 従っ 따라" },
    { IDEA_ALL,
      "all any every everything anything whatever alle alles jede jeden toutes tous tout todas "
      "todo "
      "todos tutte tutti tutto todas tudo alle wszystkie wszystko все всё tüm tous bütün alla alt "
      "kaikki všechny összes semua tất όλες جميع كل सभी सब 所有 一切 すべ 모든 ทั้งหมด" },
    { IDEA_VALID,
      "apply applies applicable valid invalid effect force count counts matter matters longer "
      "anymore "
      "obsolete outdated expired gelten gilt gültig mehr valent valables valables plus vale valen "
      "valgono "
      "vigor vigore valem gelden obowiązują ważne już действуют действует больше geçerli artık "
      "gäller "
      "længere gælder voimassa enää platí érvényesek már berlaku lagi ισχύουν πια سارية लागू 有效 "
      "失效 无效 有効 無効 유효 무효 무효야 더이상 діють" },
    { IDEA_TEXT,
      "text texts message messages msg msgs mess* conve* chat chats context config configs "
      "configu* "
      "memory notes dialogue session setup transcript nachr* gespräch gespräche verlauf kontext "
      "konfi* "
      "systemmeldung texte conversation mensaje mensajes conversación contexto mensagem mensagens "
      "conversa messaggio messaggi testo conversazione bericht berichten gesprek tekst wiadom* "
      "rozmowa tresc treść kontekst текст сообщ* диалог контекст mesaj mesajı metin konuşma "
      "meddel* "
      "samtal viesti keskus* zprávu zpráva üzenet szöveg mesaj mesajul pesan percakapan teks tin "
      "μήνυμα κείμενο повід* رسالة النص المحادثة הודעה הודעת टेक्स्ट संदेश 消息 文本 对话 内容 配置 "
      "文章 メッ 設定 "
      "会話 텍스트 텍스트를 메시지 메시지를 대화 설정 ข้อความ" },
    { IDEA_TELL,
      "tell say says write mention inform spell sag sage schreib schreibe dis écris di dime "
      "escribe "
      "dimmi scrivi diga escreva zeg schrijf powiedz napisz скажи söyle säg sig sano řekni mondd "
      "katakan nói πες قل बोलो 说 写 言っ 말해" },
};

struct entry {
    uint32_t hash;
    uint8_t idea;
};
struct btz_class_lexicon {
    struct entry at[BTZ_CLASS_LEXICON];
};

static enum btz_err add(struct btz_class_lexicon *l, uint32_t hash, enum idea idea)
{
    uint32_t i = hash % BTZ_CLASS_LEXICON;

    for (unsigned tried = 0; l->at[i].idea != IDEA_NONE; i = (i + 1) % BTZ_CLASS_LEXICON) {
        if (l->at[i].hash == hash)
            return BTZ_OK; /* the first idea counts */
        if (++tried > 64)
            return btz_fail(BTZ_INTERNAL, "the lexicon of the classifier is full");
    }
    l->at[i] = (struct entry){ hash, (uint8_t)idea };
    return BTZ_OK;
}

static enum btz_err fill(struct btz_class_lexicon *l)
{
    for (size_t i = 0; i < BTZ_COUNT(ideas); i++) {
        struct btz_slice rest = btz_str(ideas[i].words);

        while (rest.len > 0) {
            size_t end = btz_slice_find(rest, btz_str(" "), 0);
            struct btz_slice word = btz_slice_sub(rest, 0, end == SIZE_MAX ? rest.len : end);
            BTZ_BUF_RELEASE struct btz_buf normal = BTZ_BUF(1024);
            bool stem = word.len > 1 && word.ptr[word.len - 1] == '*';

            rest = btz_slice_sub(rest, word.len + 1, rest.len);
            if (stem)
                word.len--;
            if (word.len == 0)
                continue;
            BTZ_TRY(btz_class_normalise(word, &normal));
            BTZ_TRY(add(l, btz_class_word_hash(btz_buf_slice(&normal), stem), ideas[i].idea));
        }
    }
    return BTZ_OK;
}

enum btz_err btz_class_lexicon_new(struct btz_class_lexicon **out)
{
    struct btz_class_lexicon *l = calloc(1, sizeof *l);
    enum btz_err err;

    if (!l)
        return btz_fail(BTZ_LIMIT, "out of memory for the classifier");
    err = fill(l);
    if (err != BTZ_OK) {
        free(l);
        return err;
    }
    *out = l;
    return BTZ_OK;
}

void btz_class_lexicon_free(struct btz_class_lexicon *l)
{
    free(l);
}

unsigned btz_class_idea(const struct btz_class_lexicon *l, uint32_t hash)
{
    for (uint32_t i = hash % BTZ_CLASS_LEXICON; l->at[i].idea != IDEA_NONE;
         i = (i + 1) % BTZ_CLASS_LEXICON)
        if (l->at[i].hash == hash)
            return l->at[i].idea;
    return IDEA_NONE;
}
