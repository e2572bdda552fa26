/*
 * The families of words in which orders hide: setting instructions aside, asking for hidden ones, marks of roles that only
 * the chat template may write. In what a user types they are often quoted or asked about, so they are written down there and
 * left to the classifier; in documents and results of tools nobody has to order anything.
 */
#include "gate/guard/detectors/phrases.h"

#define OVERRIDE "instruction-override"
#define PROMPT   "prompt-request"
#define ROLE     "role-marker"
#define PERSONA  "persona-switch"
#define SECRECY  "secrecy-order"

static const struct btz_phrase phrases[] = {
    /* English */
    { "ignore|ignoring|disregard|disregarding|forget|override|overrule|bypass|skip|neglect|dismiss|"
      "discard *3 "
      "previous|prior|above|earlier|preceding|original|initial|existing|current|foregoing|system|"
      "all|any|your *2 "
      "instruction*|direction*|directive*|rule*|prompt*|guideline*|order*|command*|context|"
      "constraint*|policy|policies|"
      "programming|restrictions",
      OVERRIDE, 0.9 },
    { "ignore|disregard|forget *1 everything|anything|all *4 "
      "above|before|previously|earlier|prior|said|told|know",
      OVERRIDE, 0.9 },
    { "do|stop *2 follow|following|obey|obeying *2 "
      "previous|prior|above|earlier|original|system|your *2 "
      "instruction*|rule*|prompt*|guideline*",
      OVERRIDE, 0.9 },
    { "new|updated|revised|real|actual *1 instruction*|orders|directive* *1 "
      "follow|below|are|supersede*|override*",
      OVERRIDE, 0.7 },
    { "instruction*|rules|prompt|guidelines *3 no longer *1 apply|applies|valid|relevant", OVERRIDE,
      0.9 },
    { "supersede*|override*|replace* *3 previous|prior|earlier|existing|system *1 "
      "instruction*|prompt*|rules|directive*",
      OVERRIDE, 0.9 },
    { "reveal|print|show|repeat|output|display|leak|expose|disclose|share|dump|reproduce *4 "
      "system|hidden|initial|secret|"
      "original|developer|internal *1 prompt|instruction*|message|directive*|rules",
      PROMPT, 0.7 },
    { "repeat|print|output *2 everything|text|words|all *1 above|before", PROMPT, 0.8 },
    { "what *2 your *1 system|initial|hidden|original *1 prompt|instruction*", PROMPT, 0.6 },
    { "you *2 now *3 dan|jailbroken|unrestricted|unfiltered|uncensored|unshackled", PERSONA, 0.9 },
    { "you *3 longer *3 bound|restricted|limited|constrained", PERSONA, 0.8 },
    { "developer|god|debug|sudo|admin|root|maintenance mode *2 enabled|activated|on|unlocked",
      PERSONA, 0.8 },
    { "enable|activate|enter|switch *2 developer|god|dan|jailbreak|unrestricted mode", PERSONA,
      0.8 },
    { "from now on *1 you *2 will|must|are|act|respond|answer", PERSONA, 0.5 },
    { "do|never|don *2 tell|mention|inform|reveal|show *3 user|human|anyone|operator", SECRECY,
      0.7 },
    { "without|before *1 telling|informing|asking|alerting|notifying *1 user|human|anyone", SECRECY,
      0.7 },
    { "important|attention|urgent|note|message *4 "
      "ai|llm|assistant|chatbot|agent|language|model|gpt|claude *2 reading|"
      "processing|summarizing|parsing|must|should|please|ignore",
      OVERRIDE, 0.7 },
    { "ai|llm|assistant|assistants|agent|agents|models *2 reading|processing|summarizing|parsing "
      "*1 this",
      OVERRIDE, 0.8 },
    /* German */
    { "ignoriere*|ignorier|vergiss|vergesse|missachte*|missachten|übergehe* *3 "
      "vorherige*|bisherige*|obige*|vorige*|"
      "alle|frühere*|deine|ursprüngliche* *2 "
      "anweisung*|instruktion*|regel*|vorgabe*|befehl*|prompt*|richtlinie*",
      OVERRIDE, 0.9 },
    { "zeig*|verrate*|nenne|wiederhole*|gib *4 systemprompt|systemanweisung*|systemnachricht",
      PROMPT, 0.8 },
    /* French */
    { "ignore*|ignorez|oublie*|oubliez|néglige*|négligez *3 "
      "instruction*|consigne*|règle*|directive* *2 précédent*|"
      "antérieur*|ci|initiale*|système",
      OVERRIDE, 0.9 },
    { "révèle*|affiche*|montre*|répète* *4 prompt|invite|instructions *2 système|initiales|cachées",
      PROMPT, 0.8 },
    /* Spanish */
    { "ignora*|ignore*|olvida*|olvide*|descarta* *3 "
      "instrucciones|reglas|órdenes|indicaciones|directrices *1 anteriores|"
      "previas|iniciales|originales|del",
      OVERRIDE, 0.9 },
    { "ignora*|olvida* *2 anteriores|previas *1 instrucciones|reglas|órdenes", OVERRIDE, 0.9 },
    { "muestra*|revela*|repite*|imprime* *4 prompt|instrucciones *2 sistema|iniciales|ocultas",
      PROMPT, 0.8 },
    /* Portuguese */
    { "ignore*|ignora*|esqueça*|esquece*|desconsidere* *3 instruções|regras|ordens|diretrizes *1 "
      "anteriores|prévias|acima|"
      "iniciais",
      OVERRIDE, 0.9 },
    /* Italian */
    { "ignora*|dimentica*|trascura* *3 istruzioni|regole|direttive|ordini *1 "
      "precedenti|iniziali|anteriori",
      OVERRIDE, 0.9 },
    { "ignora*|dimentica* *2 precedenti *1 istruzioni|regole", OVERRIDE, 0.9 },
    /* Dutch */
    { "negeer|vergeet *3 vorige|eerdere|voorgaande|bovenstaande *1 instructies|opdrachten|regels",
      OVERRIDE, 0.9 },
    /* Polish */
    { "zignoruj|ignoruj|zapomnij *3 poprzednie|wcześniejsze|powyższe *1 "
      "instrukcje|polecenia|zasady",
      OVERRIDE, 0.9 },
    /* Swedish, Danish, Norwegian */
    { "ignorera|glöm|ignorer|glem *3 tidigare|föregående|tidligere|forrige *1 "
      "instruktion*|instruks*|regler",
      OVERRIDE, 0.9 },
    /* Czech */
    { "ignoruj|zapomeň *3 předchozí|dřívější *1 instrukce|pokyny|pravidla", OVERRIDE, 0.9 },
    /* Turkish */
    { "önceki *2 talimat*|kural*|komut* *3 yoksay|unut|görmezden|dikkate", OVERRIDE, 0.9 },
    /* Russian, Ukrainian */
    { "игнорируй*|игнорировать|проигнорируй*|забудь*|забыть *3 предыдущ*|прежн*|прошл*|все *2 "
      "инструкц*|указани*|"
      "правил*|команд*",
      OVERRIDE, 0.9 },
    { "покажи*|выведи*|раскрой* *3 системн* *1 промпт*|инструкц*|запрос", PROMPT, 0.8 },
    { "ігноруй*|забудь* *3 попередні*|всі *2 інструкці*|вказівк*|правил*", OVERRIDE, 0.9 },
    /* Chinese, Japanese, Korean: no spaces to go by */
    { "=忽略之前的", OVERRIDE, 0.9 },
    { "=忽略以上", OVERRIDE, 0.9 },
    { "=忽略上面", OVERRIDE, 0.9 },
    { "=忽略所有", OVERRIDE, 0.8 },
    { "=忽略前面", OVERRIDE, 0.9 },
    { "=无视之前", OVERRIDE, 0.9 },
    { "=無視之前", OVERRIDE, 0.9 },
    { "=忘记之前的", OVERRIDE, 0.9 },
    { "=系统提示词", PROMPT, 0.6 },
    { "=以前の指示を無視", OVERRIDE, 0.9 },
    { "=これまでの指示を無視", OVERRIDE, 0.9 },
    { "=上記の指示を無視", OVERRIDE, 0.9 },
    { "=前の指示を無視", OVERRIDE, 0.9 },
    { "=指示をすべて無視", OVERRIDE, 0.9 },
    { "=システムプロンプトを", PROMPT, 0.7 },
    { "이전 *2 지시*|명령*|지침* *2 무시*|잊어*", OVERRIDE, 0.9 },
    /* Arabic, Hindi */
    { "تجاهل|انس *2 التعليمات|الأوامر|القواعد *1 السابقة", OVERRIDE, 0.9 },
    { "पिछले|पिछली|सभी *2 निर्देश*|निर्देशों *2 अनदेखा|नज़रअंदाज़|भूल", OVERRIDE, 0.9 },
    /* Marks of roles */
    { "=<|im_start|>", ROLE, 1 },
    { "=<|im_end|>", ROLE, 1 },
    { "=<|system|>", ROLE, 1 },
    { "=<|user|>", ROLE, 1 },
    { "=<|assistant|>", ROLE, 1 },
    { "=<|start_header_id|>", ROLE, 1 },
    { "=<|end_header_id|>", ROLE, 1 },
    { "=<|eot_id|>", ROLE, 1 },
    { "=<|endoftext|>", ROLE, 1 },
    { "=<|begin_of_text|>", ROLE, 1 },
    { "=<start_of_turn>", ROLE, 1 },
    { "=<end_of_turn>", ROLE, 1 },
    { "=<<sys>>", ROLE, 1 },
    { "=<</sys>>", ROLE, 1 },
    { "=[inst]", ROLE, 1 },
    { "=[/inst]", ROLE, 1 },
    { "=<|channel|>", ROLE, 1 },
    { "=<|message|>", ROLE, 1 },
    { "=[system message]", ROLE, 0.8 },
    { "=[system]", ROLE, 0.7 },
    { "=### system", ROLE, 0.7 },
    { "=### instruction:", ROLE, 0.6 },
    { "=<system>", ROLE, 0.8 },
    { "=</system>", ROLE, 0.8 },
    { "=<system_prompt>", ROLE, 0.8 },
    { "=<system-reminder>", ROLE, 0.8 },
    { "=</user_input>", ROLE, 0.8 },
    { "=</tool_result>", ROLE, 0.8 },
    { "=</document>", ROLE, 0.5 },
    { "=\n\nhuman:", ROLE, 0.8 },
    { "=\n\nassistant:", ROLE, 0.7 },
    { "=begin system message", ROLE, 0.8 },
    { "=end of system prompt", ROLE, 0.8 },
};

BTZ_PHRASES(compile, phrases)

const struct btz_guard_detector btz_guard_detector_injection_pattern = {
    .id = "injection-pattern",
    .summary = "Words that set instructions aside, ask for hidden ones, or forge marks of roles.",
    .mask = "removed instruction",
    .channels = 1u << BTZ_CHANNEL_USER | 1u << BTZ_CHANNEL_TOOL_RESULT |
                1u << BTZ_CHANNEL_DOCUMENT | 1u << BTZ_CHANNEL_IMAGE_TEXT |
                1u << BTZ_CHANNEL_TOOL_DESCRIPTION | 1u << BTZ_CHANNEL_RAW,
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_MASK,
    .output = BTZ_GUARD_OBSERVE,
    .decoded = true,
    .triggers = btz_phrases_wake,
    .scan = btz_phrases_detect,
    .compile = compile,
    .release = btz_phrases_release,
};
