/*
 * Orders to the model itself, of users too: to set its rules aside, to hand out its prompt, to be one without limits, to
 * switch its filters off. Only wordings that speak to the model ("your rules", "du", "tus"), in many languages, as the
 * classifier has seen few of each. Common phrases that are quoted and asked about ("ignore previous instructions") are left
 * to the classifier and to injection-pattern: here a hit blocks.
 */
#include "gate/guard/detectors/phrases.h"

#define OVERRIDE "instruction-override"
#define PROMPT   "prompt-request"
#define PERSONA  "persona-switch"
#define FILTERS  "filters-off"

static const struct btz_phrase phrases[] = {
    /* English */
    { "ignore|disregard|forget|bypass|drop|override|discard|abandon|break|violate|scrap|skip|"
      "dismiss *1 "
      "your *2 rules|instructions|guidelines|restrictions|training|programming|limitations|"
      "safeguards|policies|prompt|orders|directives|filters|constraints|guardrails",
      OVERRIDE, 1 },
    { "stop|quit following|obeying *1 your *1 rules|instructions|guidelines|policies|orders|prompt",
      OVERRIDE, 1 },
    { "your *2 rules|instructions|guidelines|restrictions|limitations|policies|directives *3 "
      "void|revoked|cancelled|canceled|suspended|lifted|obsolete|rescinded|gone",
      OVERRIDE, 1 },
    { "your *2 rules|instructions|guidelines|restrictions *1 no longer *1 apply|valid|count|matter",
      OVERRIDE, 1 },
    { "reveal|print|show|tell|give|paste|copy|repeat|send|dump|leak|display|output|recite|quote|"
      "share|"
      "expose|disclose|spill|list|write|type|translate|encode|summarize|summarise *3 your *2 "
      "system|hidden|initial|secret|original|developer|internal|base|starting|full|confidential *1 "
      "prompt|instruction*|message|rules|directive*|preamble|configuration|guidelines",
      PROMPT, 1 },
    { "reveal|print|show|paste|dump|leak|display|output|recite|quote|expose|disclose|spill *3 your "
      "prompt|instructions|preamble|sysprompt|directives",
      PROMPT, 1 },
    { "repeat|print|output|copy|paste *3 everything|text|words *2 above|before", PROMPT, 1 },
    { "what|whats *2 your *1 system|hidden|initial|secret|original "
      "prompt|instruction*|message|rules",
      PROMPT, 1 },
    { "what|which *1 instructions|rules|orders|prompt *1 were|was|did *1 you *1 "
      "given|told|get|receive",
      PROMPT, 1 },
    { "you|your *2 now *2 dan|jailbroken|unrestricted|unfiltered|uncensored|unshackled|evil",
      PERSONA, 1 },
    { "be|become|act *2 dan|jailbroken|unfiltered|uncensored|unshackled", PERSONA, 1 },
    { "dan|jailbreak|unrestricted|uncensored|unfiltered mode", PERSONA, 1 },
    { "jailbreak yourself|chatgpt|activated|enabled|on", PERSONA, 1 },
    { "act|answer|respond|speak|talk|behave|pretend|reply|operate|function|roleplay *6 "
      "no|without|zero *2 "
      "restrictions|filter|filters|rules|limits|limitations|censorship|guardrails|guidelines|"
      "safeguards|ethics|morals",
      PERSONA, 1 },
    { "you *2 have no rules|restrictions|limits|limitations|filters|guidelines|guardrails|morals",
      PERSONA, 1 },
    { "you *3 longer *2 bound|restricted|limited|constrained|censored", PERSONA, 1 },
    { "turn|switch off *1 your *2 "
      "filter|filters|safety|safeguards|restrictions|guardrails|censorship|moderation|rules",
      FILTERS, 1 },
    { "turn|switch your *2 filter|filters|safety|safeguards|guardrails|censorship|moderation off",
      FILTERS, 1 },
    { "disable|deactivate|remove|lift|drop|bypass|unlock|suspend *1 your *2 "
      "filter|filters|safety|safeguards|restrictions|guardrails|censorship|moderation|limits",
      FILTERS, 1 },
    { "safety|guardrails|censorship|safeguards|restrictions off|disabled|lifted", FILTERS, 1 },
    /* English, short */
    { "forget|ignore|disregard|drop *1 "
      "your|everything|all *3 told|taught|trained|learned|learnt|programmed",
      OVERRIDE, 1 },
    { "new rules|rule *1 you *1 have|obey|must|will|are|answer|can|may|do", OVERRIDE, 1 },
    { "system|developer|admin override *1 accepted|granted|enabled|authorized|active|engaged|code",
      PERSONA, 1 },
    { "god|dan|jailbreak|unrestricted|unfiltered|chaos|evil|root|sudo mode *1 "
      "on|activated|enabled|active|engaged|now",
      PERSONA, 1 },
    { "no *1 filter|filters|restrictions|guardrails|censorship|refusals|disclaimers|warnings *2 "
      "from|now|answer|anymore|please|just",
      PERSONA, 1 },
    { "unlock|unleash|free|liberate yourself", PERSONA, 1 },
    { "you *2 free *2 from|of *3 "
      "rules|restrictions|guidelines|limits|constraints|limitations|policies",
      PERSONA, 1 },
    { "you *2 can|may|must|cannot|will *2 not|never refuse|decline", PERSONA, 1 },
    { "im|am|we *2 your *1 "
      "developer|creator|administrator|admin|owner|operator|programmer|engineer",
      PERSONA, 1 },
    { "prompt|instructions|rules verbatim", PROMPT, 1 },
    { "verbatim|word|exactly *3 your *2 prompt|instructions|rules|guidelines", PROMPT, 1 },
    { "secret|password|passphrase|codeword|canary|key *3 you *2 "
      "told|given|hide|hiding|keep|keeping|guard|guarding|protect|protecting|hold|holding",
      PROMPT, 1 },
    { "system|initial|hidden|developer prompt|instructions|message *1 "
      "please|now|pls|plz|verbatim|full",
      PROMPT, 1 },
    /* German */
    { "ignorier|ignoriere|ignorieren|vergiss|vergessen|missachte|missachten|umgehe|übergehe|"
      "verwirf|"
      "brich *2 deine*|dein|ihre*|alle|bisherige*|vorherige*|obige* *2 "
      "anweisung*|instruktion*|regel*|vorgabe*|befehl*|richtlinie*|rolle|programmierung|prompt",
      OVERRIDE, 1 },
    { "zeig*|verrat*|nenn|nenne|wiederhol*|gib|kopier*|übersetz*|schreib* *3 "
      "deine*|dein|ihre*|ihr|den *2 "
      "systemprompt|system|prompt|systemanweisung*|anweisung*|instruktion*|startanweisung*|"
      "systemnachricht|grundanweisung*",
      PROMPT, 1 },
    { "schalte|schalt|deaktivier*|entferne|hebe *2 deine*|ihre*|alle *1 "
      "filter|sicherheitsfilter|sperren|schranken|regeln|beschränkungen|einschränkungen",
      FILTERS, 1 },
    { "antworte|sprich|handle|verhalte|sei|spiele|spiel|agiere *5 ohne|keine *2 "
      "regeln|einschränkung*|filter|beschränkung*|schranken|grenzen|zensur",
      PERSONA, 1 },
    /* Dutch */
    { "negeer|vergeet|omzeil *2 je|jouw|uw|alle|eerdere|vorige|voorgaande|bovenstaande *2 "
      "instructies|opdrachten|regels|richtlijnen|beperkingen|prompt|rol",
      OVERRIDE, 1 },
    { "toon|laat|geef|herhaal|onthul|kopieer|vertaal|druk|schrijf *3 je|jouw|uw|de *2 "
      "systeemprompt|systeeminstructies|prompt|instructies",
      PROMPT, 1 },
    { "schakel|zet *1 je|jouw|uw|alle *1 filters|filter|veiligheidsfilter*|beperkingen", FILTERS,
      1 },
    { "antwoord|praat|gedraag|handel|spreek *5 zonder|geen *1 regels|beperkingen|filters|grenzen",
      PERSONA, 1 },
    /* Swedish, Danish, Norwegian */
    { "ignorera|ignorér|ignorer|glöm|glem|strunta|bortse *2 "
      "dina|dine|alla|alle|tidigare|tidligere|föregående|forrige *2 "
      "instruktion*|instruks*|regler|reglerne|riktlinjer|retningslinjer|order",
      OVERRIDE, 1 },
    { "visa|vis|skriv|avslöja|afslør|avslør|upprepa|gentag|gjenta|kopiera|kopier *3 "
      "din|dine|dina|ditt|dit *1 systemprompt*|prompt|instruktion*|instruks*|systeminstruktion*",
      PROMPT, 1 },
    { "stäng|slå|sluk|skru|deaktiver* *2 dina|dine|din *1 filter*|filtre|säkerhets*|sikkerheds*|"
      "sikkerhets*|spärrar",
      FILTERS, 1 },
    { "svara|svar|agera|opfør|oppfør|prata *5 utan|uden|uten *1 "
      "regler|begränsningar|begrænsninger|begrensninger|filter|filtre|gränser",
      PERSONA, 1 },
    /* Finnish, Estonian */
    { "unohda|ohita|jätä *2 kaikki|aiemmat|aikaisemmat|edelliset|säännöt|ohjeet|ohjeesi *2 "
      "ohjeet|ohjeesi|säännöt|sääntösi|huomiotta|huomioimatta",
      OVERRIDE, 1 },
    { "unohda ohjeesi|sääntösi|ohjeistuksesi", OVERRIDE, 1 },
    { "näytä|kerro|paljasta|toista|tulosta|kopioi *3 "
      "järjestelmäkeho*|järjestelmäohje*|kehotteesi|ohjeesi|systeemi*",
      PROMPT, 1 },
    { "ignoreeri|unusta *2 kõik|oma|eelnevad|varasemad *1 juhised|reeglid", OVERRIDE, 1 },
    /* French */
    { "ignore|ignorez|oublie|oubliez|néglige|négligez|contourne|contournez|enfreins|désobéis *2 "
      "tes|vos|toutes|tous|consignes|instructions *2 "
      "instructions|consignes|règles|directives|restrictions|limites|ordres|précédentes|rôle",
      OVERRIDE, 1 },
    { "révèle*|affiche|affichez|montre|montrez|répète*|donne|copie|traduis|recopie|imprime|dis *3 "
      "ton|tes|votre|vos *1 prompt|invite|instructions|consignes|message *2",
      PROMPT, 1 },
    { "montre|affiche|révèle|répète|donne *2 prompt|message|instructions système|initial|caché*",
      PROMPT, 1 },
    { "désactive|désactivez|coupe|enlève|supprime|lève *1 tes|vos|tous *1 "
      "filtres|protections|restrictions|sécurités|limites|garde",
      FILTERS, 1 },
    { "réponds|répondez|agis|parle|comporte *5 sans|aucune *1 "
      "restriction*|règle|règles|limite|limites|filtre|filtres|censure",
      PERSONA, 1 },
    /* Spanish, Catalan, Galician */
    { "ignora|ignore|olvida|olvide|olvídate|descarta|omite|sáltate|desobedece|oblida|esquece *3 "
      "tus|sus|todas|todos|totes|teves|túas *2 "
      "instrucciones|instruccions|instrucións|reglas|regles|regras|normas|normes|órdenes|"
      "directrices|restricciones|limitaciones",
      OVERRIDE, 1 },
    { "muestra|muéstrame|revela|revélame|repite|imprime|dime|copia|enseña|enséñame|traduce|escribe|"
      "mostra|dona *3 tu|tus|su|sus|teu|teves|el *1 "
      "prompt|indicaciones|instrucciones|instruccions|mensaje *2 "
      "sistema|iniciales|inicial|ocultas|oculto|secretas|completo|completas|originales",
      PROMPT, 1 },
    { "desactiva|desactive|apaga|quita|elimina|levanta *1 tus|sus|els|teus|todos *1 "
      "filtros|filtres|restricciones|límites|protecciones|seguridad",
      FILTERS, 1 },
    { "responde|responda|actúa|actúe|habla|compórtate|contesta|respon|actua *5 sin|sense|ninguna "
      "*1 "
      "restricciones|restricción|reglas|límites|filtros|censura|regles|límits|filtres",
      PERSONA, 1 },
    /* Portuguese */
    { "ignora|ignore|esqueça|esquece|desconsidere|desconsidera|descarte|abandone *2 "
      "suas|tuas|seus|teus|todas|todos *2 "
      "instruções|regras|ordens|diretrizes|restrições|limitações|normas",
      OVERRIDE, 1 },
    { "mostre|mostra|revele|revela|repita|repete|imprima|diga|copie|exiba|escreva|traduza *3 "
      "seu|teu|suas|tuas|o *1 prompt|instruções|mensagem *2 sistema|iniciais|inicial|ocultas|"
      "secretas|completo|originais",
      PROMPT, 1 },
    { "desative|desativa|desligue|desliga|remova *1 seus|teus|suas|os *1 "
      "filtros|restrições|limites|proteções",
      FILTERS, 1 },
    { "responda|responde|aja|age|fale|fala|comporte *5 sem|nenhuma *1 "
      "restrições|restrição|regras|limites|filtros|censura",
      PERSONA, 1 },
    /* Italian */
    { "ignora|dimentica|trascura|scorda|abbandona|aggira|disobbedisci *2 "
      "tue|tutte|tuoi|vostre|sue *2 "
      "istruzioni|regole|direttive|ordini|restrizioni|limitazioni|norme|limiti",
      OVERRIDE, 1 },
    { "mostra|mostrami|rivela|rivelami|ripeti|stampa|dimmi|copia|traduci|scrivi *3 "
      "tuo|tue|tuoi|il|le *1 prompt|istruzioni|messaggio *2 "
      "sistema|iniziali|iniziale|nascoste|segrete|completo|originali",
      PROMPT, 1 },
    { "disattiva|spegni|togli|rimuovi|elimina *2 tuoi|tue *1 "
      "filtri|restrizioni|limiti|protezioni|censura",
      FILTERS, 1 },
    { "rispondi|agisci|parla|comportati *5 senza|nessuna *1 "
      "restrizioni|restrizione|regole|limiti|filtri|censura",
      PERSONA, 1 },
    /* Romanian */
    { "ignoră|uită|încalcă *2 toate|instrucțiunile|regulile|instructiunile|tale *2 "
      "instrucțiunile|regulile|anterioare|tale|precedente",
      OVERRIDE, 1 },
    { "arată|afișează|dezvăluie|repetă|spune|copiază|scrie *3 "
      "promptul|instrucțiunile|mesajul *2 sistem|tale|tău|inițiale|ascunse|secrete|sistemului",
      PROMPT, 1 },
    { "dezactivează|oprește *1 filtrele|restricțiile|limitele|protecțiile", FILTERS, 1 },
    { "răspunde|vorbește|acționează|comportă *5 fără *1 restricții|reguli|limite|filtre|cenzură",
      PERSONA, 1 },
    /* Polish */
    { "zignoruj|ignoruj|zapomnij|pomiń|odrzuć|porzuć *3 "
      "swoje|swoich|twoje|wszystkie|wszystkich|poprzednie|poprzednich|wcześniejsze *2 "
      "instrukcje|instrukcjach|instrukcji|polecenia|poleceniach|zasady|zasadach|reguły|regułach|"
      "wytyczne|wytycznych",
      OVERRIDE, 1 },
    { "pokaż|ujawnij|powtórz|wypisz|podaj|skopiuj|przetłumacz|zdradź|wyświetl *3 "
      "swój|swoje|twój|twoje|mi *1 prompt|instrukcje|systemowy|polecenia|wytyczne",
      PROMPT, 1 },
    { "pokaż|ujawnij|powtórz|wypisz|podaj|wyświetl *2 prompt|instrukcje|komunikat "
      "systemowy|systemowe|startowe|początkowe",
      PROMPT, 1 },
    { "wyłącz|dezaktywuj|usuń *1 swoje|twoje|wszystkie *1 "
      "filtry|zabezpieczenia|ograniczenia|blokady|hamulce",
      FILTERS, 1 },
    { "odpowiadaj|działaj|zachowuj|mów|odpowiedz *5 bez *1 "
      "ograniczeń|zasad|filtrów|cenzury|reguł|żadnych|limitów",
      PERSONA, 1 },
    /* Czech, Slovak */
    { "ignoruj|zapomeň|zabudni|obejdi|poruš *2 "
      "své|svoje|svoj|na|všechny|všetky|předchozí|predchádzajúce *2 "
      "instrukce|pokyny|pravidla|inštrukcie|pravidlá|příkazy|príkazy",
      OVERRIDE, 1 },
    { "ukaž|vypiš|zopakuj|prozraď|prezraď|odhal|zkopíruj|skopíruj|napiš *3 "
      "svůj|svoj|své|svoje|systémov* *2 prompt|pokyny|instrukce|inštrukcie|systémov*",
      PROMPT, 1 },
    { "vypni|deaktivuj|zruš *1 své|svoje|všechny|všetky *1 "
      "filtry|filtre|omezení|obmedzenia|zábrany",
      FILTERS, 1 },
    { "odpovídej|odpovedaj|chovej|správaj|jednej|mluv|hovor *5 bez *1 "
      "omezení|obmedzení|pravidel|pravidiel|filtrů|filtrov|cenzury",
      PERSONA, 1 },
    /* Hungarian */
    { "felejtsd|hagyd|mellőzd|ignoráld *4 utasításokat|utasításaidat|szabályokat|szabályaidat|"
      "korlátozásaidat|szabályait|utasításait",
      OVERRIDE, 1 },
    { "mutasd|írd|ismételd|áruld|fordítsd|másold *4 "
      "rendszerprompt*|rendszerüzenet*|promptodat|promptot|utasításaidat|rendszerutasítás*",
      PROMPT, 1 },
    { "kapcsold *2 szűrőidet|szűrőket|korlátozásaidat|biztonsági", FILTERS, 1 },
    { "válaszolj|viselkedj|beszélj *5 korlátok|korlátozások|szabályok|szűrők|cenzúra nélkül",
      PERSONA, 1 },
    /* Croatian, Serbian, Slovene, Bulgarian */
    { "zanemari|ignoriraj|ignoriši|zaboravi|pozabi|prezri *2 "
      "sve|svoje|svoja|prethodne|prethodna|vsa|vse|prejšnja *1 "
      "upute|uputstva|pravila|instrukcije|naredbe|navodila",
      OVERRIDE, 1 },
    { "pokaži|prikaži|otkrij|ponovi|ispiši|izpiši|razkrij|kopiraj *3 "
      "svoj|svoje|sistemski|sistemske|sistemsko|sustavne *1 prompt|upit|upute|uputstva|navodila|"
      "poziv|upit",
      PROMPT, 1 },
    { "игнорирай|забрави|пренебрегни *2 всички|своите|твоите|предишните|досегашните *1 "
      "инструкции|правила|указания|насоки",
      OVERRIDE, 1 },
    { "покажи|разкрий|повтори|изведи|кажи *3 системн*|своя|твоя|твоите|своите *1 "
      "промпт|подкана|инструкции|системн*",
      PROMPT, 1 },
    /* Greek */
    { "αγνόησε|ξέχνα|ξέχασε|παράβλεψε|παράκαμψε *3 "
      "οδηγίες|κανόνες|εντολές|περιορισμούς",
      OVERRIDE, 1 },
    { "δείξε|αποκάλυψε|επανάλαβε|πες|γράψε|εμφάνισε|αντίγραψε *4 "
      "συστήματος|prompt|οδηγίες|προτροπή *1 σου|συστήματος|prompt",
      PROMPT, 1 },
    { "απενεργοποίησε|κλείσε *2 φίλτρα|περιορισμούς|φίλτρο", FILTERS, 1 },
    { "απάντησε|απάντα|μίλα|φέρσου|λειτούργησε *5 χωρίς *1 "
      "περιορισμούς|κανόνες|φίλτρα|όρια|λογοκρισία",
      PERSONA, 1 },
    /* Turkish, Azeri */
    { "talimat*|kural*|yönerge*|komut*|təlimat*|qayda* *3 "
      "yoksay|unut|görmezden|dikkate|boşver|çiğne|nəzərə|saymayın",
      OVERRIDE, 1 },
    { "sistem|gizli|başlangıç|ilk *1 "
      "istemini|promptunu|talimatlarını|komutunu|mesajını|istemi|promptu|təlimatlarını *3 "
      "göster|yaz|söyle|paylaş|açıkla|tekrarla|yazdır|kopyala|ver|göstər",
      PROMPT, 1 },
    { "filtrelerini|filtreleri|kısıtlamalarını|sınırlarını|güvenlik *2 kapat|kaldır|devre", FILTERS,
      1 },
    { "kuralsız|sınırsız|sansürsüz|filtresiz|kısıtlamasız *3 "
      "cevap|yanıt|konuş|davran|cevapla|yanıtla|ol",
      PERSONA, 1 },
    /* Russian, Ukrainian, Belarusian */
    { "игнорируй|игнорируйте|проигнорируй|забудь|забудьте|отбрось|отмени|нарушь|обойди|ігноруй|"
      "ігноруйте|забудьте|знехтуй|відкинь|ігнаруй *2 "
      "свои|твои|все|всі|свої|твої|ваши|про|предыдущие|прежние|попередні|усе|усі *2 "
      "инструкции|правила|указания|команды|ограничения|приказы|інструкції|вказівки|обмеження|"
      "накази|установки|інструкцыі|правілы",
      OVERRIDE, 1 },
    { "покажи|выведи|раскрой|повтори|напиши|скажи|скопируй|переведи|процитируй|назови|розкрий|"
      "виведи|скопіюй|переклади|покажы *3 "
      "свой|свои|твой|твои|системн*|мне|свій|свої|твій|твої|мені|исходн*|скрыт* *1 "
      "промпт|инструкции|инструкцию|указания|інструкції|системн*|промт|вказівки",
      PROMPT, 1 },
    { "отключи|выключи|сними|убери|вимкни|зніми|прибери *1 "
      "свои|все|твои|свої|всі|усі|фильтры|ограничения *1 "
      "фильтры|ограничения|защиту|фільтри|обмеження|безопасности|запреты|захист",
      FILTERS, 1 },
    { "отвечай|говори|веди|действуй|відповідай|поводься|дій *5 без *1 "
      "ограничений|правил|фильтров|цензуры|обмежень|фільтрів|цензури|запретов",
      PERSONA, 1 },
    /* Indonesian, Malay, Tagalog, Swahili */
    { "abaikan|lupakan|langgar *1 semua|segala|aturan|instruksi|arahan|peraturan|perintah *2 "
      "instruksi|aturan|perintah|arahan|peraturan|sebelumnya|anda|kamu|mu|pedoman|tadi|terdahulu",
      OVERRIDE, 1 },
    { "tampilkan|tunjukkan|ungkapkan|perlihatkan|ulangi|salin|sebutkan|dedahkan|paparkan *2 "
      "prompt|instruksi|arahan|perintah|pesan *2 "
      "sistem|sistemmu|anda|kamu|awal|tersembunyi|rahasia",
      PROMPT, 1 },
    { "matikan|nonaktifkan|hapus|lumpuhkan *1 semua|filter|batasan|pengaman|penapis *1 "
      "filter|batasan|keamanan|keselamatan|anda|kamu|mu|pengaman",
      FILTERS, 1 },
    { "jawab|jawablah|bertindak|bertindaklah|bicara|berperanlah *5 tanpa *1 "
      "batasan|aturan|filter|sensor|batas|sekatan|had",
      PERSONA, 1 },
    { "balewalain|kalimutan|huwag *3 mga *1 "
      "tagubilin|panuntunan|utos|patakaran|instruksyon|alituntunin",
      OVERRIDE, 1 },
    { "ipakita|sabihin|ulitin|ibigay|ilabas *4 prompt|tagubilin|instruksyon *3 "
      "sistema|system|mo|iyong",
      PROMPT, 1 },
    { "puuza|sahau|usifuate|acha *1 maagizo|kanuni|sheria|amri *2 "
      "yote|zote|yako|zako|yaliyotangulia|ya|za",
      OVERRIDE, 1 },
    { "onyesha|nionyeshe|niambie|rudia|toa *3 maagizo|prompt|maelekezo *2 mfumo|yako|siri|ya",
      PROMPT, 1 },
    /* Vietnamese */
    { "bỏ|quên|phớt|lờ *6 hướng|chỉ|quy|mệnh|lệnh|luật *1 dẫn|thị|tắc|lệnh|định *3 "
      "trước|trên|bạn|đó|mình|của",
      OVERRIDE, 1 },
    { "hiển|cho|tiết|lặp|đưa|viết *5 lời|câu|hướng|chỉ|prompt|lệnh *2 "
      "nhắc|dẫn|thị|hệ|prompt *2 hệ|thống|bạn|ẩn|gốc",
      PROMPT, 1 },
    { "tắt|vô *5 bộ|lọc|giới *1 lọc|hạn *3 bạn|toàn|mình", FILTERS, 1 },
    { "trả|hành|nói *5 không *2 giới|quy|bộ|kiểm *1 hạn|tắc|lọc|duyệt", PERSONA, 1 },
    /* Chinese */
    { "=忽略你", OVERRIDE, 1 },
    { "=忽略所有", OVERRIDE, 1 },
    { "=忽略之前", OVERRIDE, 1 },
    { "=忽略先前", OVERRIDE, 1 },
    { "=忽略以上", OVERRIDE, 1 },
    { "=忽略上面", OVERRIDE, 1 },
    { "=忽略前面", OVERRIDE, 1 },
    { "=忽略一切", OVERRIDE, 1 },
    { "=無視你", OVERRIDE, 1 },
    { "=无视你", OVERRIDE, 1 },
    { "=无视所有", OVERRIDE, 1 },
    { "=無視所有", OVERRIDE, 1 },
    { "=忘记你", OVERRIDE, 1 },
    { "=忘掉你", OVERRIDE, 1 },
    { "=忘记之前", OVERRIDE, 1 },
    { "=忘掉之前", OVERRIDE, 1 },
    { "=忘掉所有", OVERRIDE, 1 },
    { "=忘記你", OVERRIDE, 1 },
    { "=忘記之前", OVERRIDE, 1 },
    { "=不要遵守你", OVERRIDE, 1 },
    { "=不再遵守", OVERRIDE, 1 },
    { "=你的系统提示", PROMPT, 1 },
    { "=你的系統提示", PROMPT, 1 },
    { "=你的初始指令", PROMPT, 1 },
    { "=你的提示词", PROMPT, 1 },
    { "=你的隐藏指令", PROMPT, 1 },
    { "=你的内部指令", PROMPT, 1 },
    { "=你收到的指令", PROMPT, 1 },
    { "=你的指令", PROMPT, 1 },
    { "=关闭你的", FILTERS, 1 },
    { "=關閉你的", FILTERS, 1 },
    { "=解除你的", FILTERS, 1 },
    { "=没有任何限制", PERSONA, 1 },
    { "=沒有任何限制", PERSONA, 1 },
    { "=不受任何限制", PERSONA, 1 },
    { "=没有限制的ai", PERSONA, 1 },
    { "=没有规则的", PERSONA, 1 },
    /* Japanese */
    { "=指示を無視", OVERRIDE, 1 },
    { "=指示をすべて無視", OVERRIDE, 1 },
    { "=指示は無視", OVERRIDE, 1 },
    { "=指示を全て無視", OVERRIDE, 1 },
    { "=命令を無視", OVERRIDE, 1 },
    { "=ルールを無視", OVERRIDE, 1 },
    { "=ルールはすべて無視", OVERRIDE, 1 },
    { "=規則を無視", OVERRIDE, 1 },
    { "=指示を忘れ", OVERRIDE, 1 },
    { "=指示は忘れ", OVERRIDE, 1 },
    { "=指示をすべて忘れ", OVERRIDE, 1 },
    { "=ルールを忘れ", OVERRIDE, 1 },
    { "=ルールを破", OVERRIDE, 1 },
    { "=システムプロンプトを表示", PROMPT, 1 },
    { "=システムプロンプトを教え", PROMPT, 1 },
    { "=システムプロンプトを見せ", PROMPT, 1 },
    { "=システムプロンプトを出力", PROMPT, 1 },
    { "=システムプロンプトをそのまま", PROMPT, 1 },
    { "=システムプロンプトを全", PROMPT, 1 },
    { "=プロンプトを見せて", PROMPT, 1 },
    { "=プロンプトを教えて", PROMPT, 1 },
    { "=あなたの指示を", PROMPT, 1 },
    { "=あなたの初期指示", PROMPT, 1 },
    { "=フィルターを解除", FILTERS, 1 },
    { "=フィルターをオフ", FILTERS, 1 },
    { "=フィルターを無効", FILTERS, 1 },
    { "=制限を解除", FILTERS, 1 },
    { "=制限なしで答え", PERSONA, 1 },
    { "=制限なしに答え", PERSONA, 1 },
    { "=制限のないai", PERSONA, 1 },
    { "=制限を受けない", PERSONA, 1 },
    /* Korean */
    { "이전|지금까지의|위의|모든|너의|네|당신의|기존|앞의|앞선 *2 "
      "지시*|명령*|지침*|규칙*|프롬프트* *2 무시*|잊어*|잊고|어겨*|따르지",
      OVERRIDE, 1 },
    { "시스템|숨겨진|네|너의|당신의|초기 *1 프롬프트*|지시*|지침*|명령* *3 "
      "보여*|출력*|알려*|말해*|공개*|반복*|복사*|적어*|번역*",
      PROMPT, 1 },
    { "안전|필터*|제한*|검열* *2 꺼*|해제*|끄고|비활성화*", FILTERS, 1 },
    { "제한|규칙|필터|검열 *1 없이|없는 *2 대답*|답해*|답변*|행동*|말해*|ai*|인공지능*", PERSONA,
      1 },
    /* Arabic, Persian, Urdu */
    { "تجاهل|تجاهلي|انس|انسى|انسَ|خالف *2 "
      "تعليماتك|قواعدك|أوامرك|التعليمات|القواعد|الأوامر|توجيهاتك|قيودك|التوجيهات|تعليمات",
      OVERRIDE, 1 },
    { "اعرض|أظهر|اظهر|اكشف|كرر|اكتب|أخبرني|اطبع|انسخ|ترجم *4 "
      "تعليماتك|النظام|موجه|أوامرك|توجيهاتك|تعليمات *2 "
      "النظام|السرية|المخفية|الأصلية|الأولية|الخاصة|الخاص|كاملة|حرفيا",
      PROMPT, 1 },
    { "أوقف|عطل|أزل|ألغ *2 مرشحات|مرشحاتك|قيودك|فلاتر|فلاترك|القيود|الفلاتر", FILTERS, 1 },
    { "أجب|تصرف|تحدث|جاوب *5 بدون|دون|بلا *1 قيود|قواعد|حدود|رقابة|فلاتر|أي", PERSONA, 1 },
    { "دستورالعمل*|دستورات|دستورهای|قوانین|قواعد|دستور *5 نادیده|فراموش", OVERRIDE, 1 },
    { "پرامپت|دستورات|دستورالعمل* *3 سیستم*|خود|مخفی|خودت *4 "
      "نشان|بگو|نمایش|بنویس|تکرار|چاپ|فاش",
      PROMPT, 1 },
    { "ہدایات|ہدایتوں|قواعد|اصول|احکامات *3 نظر|بھول|نظرانداز", OVERRIDE, 1 },
    { "سسٹم|اپنی|اپنا|خفیہ *2 پرامپٹ|ہدایات *4 دکھاؤ|دکھائیں|بتاؤ|بتائیں|لکھو|لکھیں|ظاہر|دہراؤ",
      PROMPT, 1 },
    /* Hebrew */
    { "התעלם|התעלמי|שכח|תשכח|תתעלם|הפר *2 ההוראות|הוראות|ההנחיות|הכללים|מההוראות|מהכללים|מההנחיות|"
      "מכל|הוראותיך|כל *2 ההוראות|הכללים|ההנחיות|הקודמות|שלך|הקודמים",
      OVERRIDE, 1 },
    { "הצג|הראה|תראה|חשוף|חזור|תגיד|כתוב|העתק|תרגם|גלה *4 "
      "הפרומפט|ההנחיה|הנחיית|ההוראות|הנחיות|פרומפט *2 שלך|המערכת|הסודיות|הנסתרות|מערכת",
      PROMPT, 1 },
    { "ענה|דבר|תענה|התנהג|פעל *5 ללא|בלי *1 הגבלות|כללים|מגבלות|צנזורה|מסננים|חוקים", PERSONA, 1 },
    /* Hindi, Marathi, Bengali, Tamil, Telugu: object first */
    { "निर्देश|निर्देशों|नियम|नियमों|आदेश|आदेशों|हिदायतों|सूचना|सूचनांकडे *4 "
      "अनदेखा|अनदेखी|नजरअंदाज|नज़रअंदाज़|भूल|भुला|तोड़|दुर्लक्ष|विसरा|विसर",
      OVERRIDE, 1 },
    { "सिस्टम|अपना|अपने|छिपे|गुप्त|तुम्हारे|आपके|तुझा|तुमचा *2 "
      "प्रॉम्प्ट|प्रॉम्ट|निर्देश|निर्देशों|संदेश|सूचना *4 "
      "दिखाओ|दिखाएं|दिखाएँ|बताओ|बताएं|बताइए|लिखो|दोहराओ|प्रकट|प्रिंट|दाखवा|सांगा",
      PROMPT, 1 },
    { "बिना *2 प्रतिबंध|रोक|नियम|सीमा|फिल्टर|पाबंदी *4 जवाब|उत्तर|बात|काम|बोलो", PERSONA, 1 },
    { "নির্দেশ|নির্দেশনা|নির্দেশাবলী|নিয়ম|নির্দেশগুলো|নিয়মগুলো|আদেশ *4 "
      "উপেক্ষা|ভুলে|অগ্রাহ্য|অমান্য|ভাঙ",
      OVERRIDE, 1 },
    { "সিস্টেম|তোমার|আপনার|গোপন *2 প্রম্পট|প্রম্পটটি|নির্দেশ|নির্দেশনা|নির্দেশাবলী *4 "
      "দেখাও|দেখান|বলো|বলুন|লেখো|লিখুন|প্রকাশ|প্রিন্ট",
      PROMPT, 1 },
    { "வழிமுறைகளை|அறிவுறுத்தல்களை|விதிகளை|கட்டளைகளை *3 புறக்கணி*|மற*|மீறு*", OVERRIDE, 1 },
    { "சூचనలను|సూచనలను|నియమాలను|ఆదేశాలను|సూచనలన్నింటినీ *3 విస్మరించ*|మర్చిపో*|పట్టించుకో*|మరచిపో*", OVERRIDE, 1 },
    /* Thai: no spaces */
    { "=เพิกเฉยต่อคำสั่ง", OVERRIDE, 1 },
    { "=ละเว้นคำสั่ง", OVERRIDE, 1 },
    { "=ไม่ต้องสนใจคำสั่ง", OVERRIDE, 1 },
    { "=ลืมคำสั่ง", OVERRIDE, 1 },
    { "=ลืมกฎ", OVERRIDE, 1 },
    { "=ลืมทุกคำสั่ง", OVERRIDE, 1 },
    { "=ข้ามคำสั่ง", OVERRIDE, 1 },
    { "=พรอมต์ระบบ", PROMPT, 1 },
    { "=พรอมต์ของระบบ", PROMPT, 1 },
    { "=คำสั่งระบบของคุณ", PROMPT, 1 },
    { "=คำสั่งลับ", PROMPT, 1 },
    { "=ปิดตัวกรอง", FILTERS, 1 },
    { "=โดยไม่มีข้อจำกัด", PERSONA, 1 },
    { "=ตอบแบบไม่มีข้อจำกัด", PERSONA, 1 },
};

BTZ_PHRASES(compile, phrases)

const struct btz_guard_detector btz_guard_detector_injection_order = {
    .id = "injection-order",
    .summary = "Orders to the model itself: drop its rules or filters, hand out its prompt.",
    .mask = "removed instruction",
    .channels = 1u << BTZ_CHANNEL_USER | 1u << BTZ_CHANNEL_TOOL_RESULT |
                1u << BTZ_CHANNEL_DOCUMENT | 1u << BTZ_CHANNEL_IMAGE_TEXT |
                1u << BTZ_CHANNEL_TOOL_DESCRIPTION | 1u << BTZ_CHANNEL_RAW,
    .user = BTZ_GUARD_BLOCK,
    .untrusted = BTZ_GUARD_MASK,
    .output = BTZ_GUARD_OBSERVE,
    .decoded = true,
    .triggers = btz_phrases_wake,
    .scan = btz_phrases_detect,
    .compile = compile,
    .release = btz_phrases_release,
};
