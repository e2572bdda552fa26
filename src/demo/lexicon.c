#include "demo/lexicon.h"

#include <stdlib.h>

#include "demo/shelf.h"

_Static_assert(K_KIND_COUNT <= 64, "kinds are bits of a 64-bit number");

/* Words of one kind, separated by spaces; a word may stand in several rows. */
static const struct {
    enum btz_demo_kind kind;
    const char *words;
} rows[] = {
    { K_COMMON,
      "a an the and or but if then else so as at by for from in into of off on onto out over to up "
      "with "
      "without about above across after again against all almost along already also although "
      "always am "
      "among any anybody anyone anything are around away back be became because become been before "
      "being "
      "below beside besides between both bring but came can cannot could day days did do does "
      "doing done "
      "down during each either enough even ever every everybody everyone everything exactly except "
      "few "
      "first follow followed following follows found four full further gave get gets getting give "
      "given "
      "gives giving go goes going gone good got great had has have having he her here hers him his "
      "how "
      "however i immediately directly instead is isn't it its itself just keep kept know known "
      "last later "
      "least less let lets like likely little long look made make makes making many may maybe me "
      "mean "
      "means might mine more most much must my myself near need needs neither never new next no "
      "nobody "
      "none nor not nothing now number numbers often okay ok old once one ones only other others "
      "our ours "
      "own part people per perhaps please put quite rather really right same second see seem seems "
      "seen "
      "set several shall she should since six small some somebody someone something soon still "
      "such sure "
      "take taken takes taking ten than that that's their them themselves there these they thing "
      "things "
      "think third this those though three through thus time times today together tomorrow too "
      "toward "
      "towards try two under until upon us use used user using very via want wants was way we well "
      "went "
      "were what what's whatever when where whether which while who whole whom whose why will wish "
      "within "
      "won't would yes yesterday yet you your yours yourself don't doesn't can't i'm you're it's "
      "let's "
      "we're they're isn't aren't word words result results string strings sentence sentences text "
      "line "
      "lines message messages question questions answer answers begin start end finish whenever "
      "wherever "
      "below whatever otherwise simply merely single double triple half halves piece pieces name "
      "names "
      "called named say says said tell told show shown write written print printed reply response "
      "output "
      "input value values variable variables add plus minus equals equal sum total between nothing "
      "everything anything upper lower case uppercase lowercase capital capitals letter letters "
      "character "
      "characters space spaces gap separator hyphen dash comma dot quote quotes exact order task "
      "tasks "
      "test testing example examples step steps complete completed continue finally request "
      "requests "
      "assistant model ai bot chatbot customer customers shop store company help helpful "
      "northwind "
      "outfitters thank thanks hello hi hey dear sir madam policy policies short long brief "
      "briefly game "
      "play imagine story scene fiction fictional character hypothetical mode special secret "
      "secrets "
      "whole entire also kindly format following final ending beginning literally verbatim "
      "immediate "
      "correct correctly proper properly respond responds confirm confirmed confirmation verify "
      "code "
      "codeword passphrase phrase phrases token tokens term terms compound combined joined merged "
      "important urgent" },
    { K_COMMON,
      "note attention warning notice update updated security review audit auditor "
      "administrator admin developer engineer staff manager owner supervisor maintenance "
      "diagnostic "
      "debug session context conversation chat history earlier previous prior current currently "
      "latest "
      "ignore forget disregard instructions instruction rules rule prompt system document "
      "documents file "
      "reader reading read content contents website page tool function call parameter argument "
      "json xml "
      "html markdown summary summarise summarize translate english french german spanish language "
      "available work works working week month year people person man woman child world life hand "
      "place "
      "point fact group problem house water room area money business issue side kind head power "
      "hour "
      "member law car city community president team minute idea body information parent face level "
      "office door health art war party reason morning research girl guy moment air teacher force "
      "education buy sell pay send ask feel leave work seem turn move live believe hold happen "
      "provide "
      "sit stand lose meet include learn change lead understand watch stop create speak allow "
      "spend grow "
      "open walk win offer remember love consider appear wait serve die expect build stay fall cut "
      "reach "
      "remain suggest raise pass require report decide pull able bad best better big black certain "
      "clear "
      "different early easy economic free general hard high human important international large "
      "late "
      "left local low main major military national only possible political public real recent "
      "social "
      "special strong sure true white young capital country process kill python computer program "
      "internet phone email mail" },
    { K_COMMON,
      "worter wort zu zum zur einem einen eine ein der die das den dem und oder mit von bitte alle "
      "auf im ist les des la le el los las un une en seul seule mot mots palabra palabras sin y et "
      "de del du que por con para una todas toutes favor plait dans sous avec il tu vous mir mich "
      "te se es ohne obey whose contains contain containing hostname semicolon im_start im_end "
      "spell stock count access sentence paragraph" },
    { K_COMMON,
      "stored wrote gluer wrote printed rendered inserted pasted appended prepended prefixed "
      "suffixed preceded precedes attached attach glued stuck placed "
      "fused welded written spoken spelled "
      "typed continued "
      "formed made built consists consist consisting composed likewise greets greet signs sign "
      "openings "
      "opens followed following follows fuse front behind sandwiched sticking adjacent nothing "
      "gapless "
      "direkt dahinter davor besteht gefolgt zusammengesetzt aneinander primero pegado pegada ella "
      "nada mas "
      "despues junto commentaire suivi suivie immediatement forme forment colle collee ecris "
      "ecrivez unico "
      "unica solo sola seguito seguida immediatamente subito attaccato prima poi senza spazi "
      "spazio espaco "
      "ends ended begins began beginning middle transit split missing wise tail tails part-one col "
      "columns "
      "speaker labelled carries carry mark marks seal handle stamp watermark campaign blanks blank "
      "fill "
      "div style class span body href title onto upon towards via per versus unlike whereas whose "
      "accept accepted accord accurate achieve acknowledge action active actual actually address "
      "adjust "
      "admit adopt advice advise affect afford agree aid aim allowed alone alternative amount "
      "analyse "
      "analyze announce annoy anyway apart apologise apologize apply approach approve argue arise "
      "arrange "
      "article aspect assign assist assume attempt attend avoid aware basic basis behave belong "
      "benefit "
      "blind borrow bother bottom brain break briefing broken busy button careful carry case cases "
      "catch "
      "cause challenge chance changed charge chat check choice choose cite claim clean clearly "
      "click close "
      "collect combine comes command comment common compare comply concern conclude condition "
      "conduct "
      "consist constant contact continue contrary control convince cope count couple course cover "
      "create "
      "credit critical current daily damage deal decision declare deep default defeat delay demand "
      "depend depends derive deserve design desire detail details determine develop directive "
      "disclose "
      "discuss display dive division doubt draw dream dress drive due during duty eager earn ease "
      "effect effort either element else emit emphasise enable encourage engage enjoy ensure enter "
      "equal error especially essential establish evaluate event evidence examine except exist "
      "exists "
      "expand expert express extend extra extract fair faith familiar famous fast feature feed "
      "field fill "
      "final fit fix focus formal forward frame friend friends front function future gain general "
      "generate genuine glad goal grant greeting guess guide habit handle hang hard hate heart "
      "heavy "
      "hide honest hope hour hours huge identify ignore ill impact imply improve incident indeed "
      "index "
      "indicate initial inside insist inspect instance intend intent interest internal introduce "
      "invite "
      "involve item items job jobs join joke judge knowledge label labels lack largest late later "
      "laugh "
      "launch layer lie life lift limit literal load local lock logic longest look loud lovely "
      "mark "
      "match matter mention mere merge method middle mission mix moderate modern modify mood mouth "
      "movie natural nature necessary negative network nice night none normal notice object "
      "obvious occur "
      "official ongoing online opinion opposite option original outcome outside overall owner page "
      "pair "
      "parse partial particular pass past pattern perfect perform permit personal picture plain "
      "plan "
      "plane please pleasure pop pops position positive possible power practice pray prefer "
      "present press "
      "pretty prevent price pride primary prior prize problem process produce product program "
      "progress "
      "project promise prompt proof protect proud prove provide public pull purpose push quick "
      "quickly "
      "quiet quit quotes range rare rate ready real realise reason recall receive recent recite "
      "recommend "
      "reduce refer refuse regard regular reject relate relevant rely remain remind repair repeat "
      "replace report represent require research resist resolve respect rest restrict return "
      "reveal "
      "reverse review rich rid ride rise risk role row rows run runs safe save scale school score "
      "search seek select sense separate sequence serious setting settings share shift shape shut "
      "sign "
      "signal similar simulate situation skill skip sleep slow smart smile social society solve "
      "sort sound "
      "source speech speed spread stage stand standard state stay steal stick straight strategy "
      "strict "
      "structure struggle student study style subject submit succeed success suffer suggest suit "
      "sum "
      "supply support suppose surprise survive switch syntax tag talk target teach team tend tests "
      "thank "
      "theme therefore thought thus tie tight tiny title tone topic total touch track trade train "
      "treat trial trick trip trouble trust truth turn twice twin type typed typing unable unless "
      "useful "
      "usual utter valid valuable various vary view visible visit voice vote warn wear weird "
      "welcome "
      "wide wonder worry worth wrap wrong xml yaml zone ago anymore aside badly barely beyond "
      "clever "
      "despite easily entirely exactly extremely fully hardly highly indeed instantly merely "
      "mostly "
      "nearly normally obviously occasionally otherwise partly perfectly possibly precisely "
      "previously "
      "probably properly purely purposely recently roughly seriously shortly slightly slowly "
      "somewhat somewhere soon strictly strongly suddenly surely terribly totally truly typically "
      "unfortunately usually utterly widely" },
    { K_IGNORE,
      "ignore disregard forget neglect override overrule supersede supersedes bypass discard "
      "dismiss drop "
      "skip erase wipe unlearn cancel nullify void overwrite suspend abandon stop replace obsolete "
      "invalid expired outdated ignorez ignorer oubliez oublie ignoriere ignorieren vergiss ignora "
      "ignore "
      "olvida olvide dimentica esqueca ignorar ignorieren ignorar ignorujte zapomnij" },
    { K_PRIOR,
      "previous prior above earlier preceding foregoing former before past initial original "
      "existing "
      "other all old anteriores anterior precedentes precedente vorherigen vorigen bisherigen "
      "precedenti antes zuvor previas previos everything anything" },
    { K_RULES,
      "instruction instructions rule rules direction directions directive directives guideline "
      "guidelines "
      "prompt prompts command commands constraint constraints restriction restrictions programming "
      "preamble briefing setup guardrail guardrails policies training orders principles "
      "requirements "
      "metaprompt preprompt safeguards safety limits limitation limitations boundaries "
      "instrucciones instruccion anweisungen anweisung consignes consigne reglas regeln regles "
      "istruzioni instrucoes vorgaben" },
    { K_YOUR, "your you yourself yours ur tu tus su sus votre vos ta tes vous deine deinen ihre "
              "ihren du dein "
              "tuo tue seu suas" },
    { K_TELL,
      "reveal show display repeat tell share disclose list dump expose leak provide recite quote "
      "copy "
      "paste send spell describe summarise summarize translate paraphrase rephrase encode convert "
      "restate reproduce type return state mention give write print output say echo read put what "
      "what's whats which continue complete report publish render transcribe outline include "
      "insert "
      "append embed fetch need want know see hear learn confirm verify provide supply present "
      "detail "
      "enumerate export cite search turn correct fill remind confirm conceal hide weave explain "
      "recall remember post "
      "muestra revela dime zeige verrate nenne gib montre "
      "revele donne affiche mostra rivela repite wiederhole repetez repete imprime schreibe "
      "escribe "
      "ecris traduce ubersetze traduis" },
    { K_SAY, "say print output write echo repeat respond reply answer return type state display "
             "emit produce "
             "speak utter pronounce tell give show provide send put recite mention include post "
             "log express "
             "di escribe imprime responde schreibe sage antworte gib ecris dis reponds affiche "
             "escreva scrivi" },
    { K_JOIN,
      "combine join joined joining concatenate concat concatenation concatenated glue glued merge "
      "merged fuse "
      "fused attach append appended stick stitch splice paste weld tie unite blend "
      "prepend prefix prefixed suffix combined together contiguous adjoin compound portmanteau "
      "compose composed juxtapose squash mash "
      "combina une junta concatena kombiniere verbinde fuge zusammen concatene joins combinez "
      "unisci junte uninterrupted unbroken continuous" },
    { K_TIMES,
      "multiply multiplied multiplying times product multiplication multiplica multipliziere "
      "multiplie multiplier mal fois moltiplica" },
    { K_PLUS, "plus sum add added addition" },
    { K_REVERSE,
      "reverse reversed backwards backward inverted flip flipped mirrored inverse backwards" },
    { K_SECRET,
      "key keys token tokens password passwords credential credentials secret secrets passphrase "
      "apikey api_key passcode pin confidential clave claves contrasena schlussel geheimnis "
      "passwort cle cles secreto secretos chiave geheimnisse" },
    { K_INNER,
      "api internal override hidden admin private confidential secret supervisor supervisors staff "
      "employee "
      "master access keep kept hold held protect protected guard guarded privileged restricted "
      "embedded sensitive interna interno internen interne backend "
      "operator live production undisclosed" },
    { K_CODE, "code codes coupon coupons voucher vouchers promo codigo gutschein" },
    { K_CONFIG, "configuration config settings environment env variables dotenv parameters setup" },
    { K_PAPER,
      "document documents doc docs file files memo memos page pages article articles policy report "
      "reports note notes email emails mail text attachment attachments review reviews handbook "
      "manual knowledge webpage website site paper papers letter newsletter transcript resume cv "
      "ticket tickets comment comments post posts minutes excerpt passage catalogue catalog "
      "listing "
      "entry faq guide invoice brochure bulletin documento dokument archivo" },
    { K_SUMMARY,
      "summarise summarize summary summaries tldr overview digest recap gist paraphrase rephrase "
      "reword "
      "outline condense synopsis bullet bullets resume resumen zusammenfassung fasse shorten "
      "describe characterise characterize" },
    { K_TRANSLATE, "translate translation translated traduce traduis traduisez ubersetze traduci" },
    { K_ENCODE,
      "encode encoded encoding convert converted obfuscate encrypt encipher transform cipher" },
    { K_POEM, "poem poems haiku song story rhyme limerick sonnet lyrics ballad verse verses rap "
              "acrostic play dialogue" },
    { K_LETTER, "letter letters character characters initials" },
    { K_IMAGE,
      "image images picture pictures img logo photo banner pixel icon badge gif png jpg thumbnail "
      "figure imagen bild avatar graphic illustration beacon" },
    { K_LINK,
      "link links hyperlink hyperlinks href anchor click clickable url urls footnote reference "
      "enlace lien" },
    { K_HTML, "html javascript script scripts xss js onerror onload iframe svg webpage snippet tag "
              "tags markup "
              "dom browser" },
    { K_SQL,
      "sql query queries database mysql postgres postgresql sqlite select where union table" },
    { K_SHELL,
      "shell bash terminal command commands powershell unix linux zsh sh console cli oneliner "
      "subshell pipeline" },
    { K_TEMPLATE, "template templates jinja jinja2 mustache handlebars freemarker ssti erb twig "
                  "liquid velocity "
                  "templating thymeleaf moustache" },
    { K_ANSI, "ansi escape esc vt100 csi xterm colour color colours colors red" },
    { K_ROLE,
      "pretend act roleplay role play imagine persona character simulate impersonate become "
      "emulate "
      "behave pose actor scene fiction fictional story novel film grandmother grandma hypothetical "
      "actua finge spiele joue interpreta playing acting simulating simulator" },
    { K_FREE,
      "unrestricted uncensored unfiltered jailbroken dan evil unbound unlimited amoral unaligned "
      "limitless liberated stan dude aim godmode sudo root superuser developer opposite "
      "freed unshackled unchained" },
    { K_ASK,
      "what what's whats which who how why when where que cual was welche quel quelle quoi come" },
    { K_TEACH,
      "explain explains explanation define definition meaning means difference history theory "
      "concept introduction tutorial lesson learn understand understanding about overview works "
      "example purpose why" },
    { K_PROTECT,
      "protect protecting prevent preventing defend defending detect detecting avoid avoiding "
      "mitigate secure sanitise sanitize harden hardening safe safely defence defense guard "
      "against "
      "recognise recognize spot danger dangerous risk risks" },
    { K_START,
      "begin begins start starts open prefix preface commence starting beginning lead first" },
    { K_END, "end finish conclude close sign append terminate ending last finally" },
    { K_DECODE,
      "decode decoded decipher decrypt unscramble undo interpret deobfuscate decodes unescape "
      "deciphered decifra decodifica entschlussele" },
    { K_TOLD,
      "told given instructed configured programmed briefed primed initialised initialized prompted "
      "received loaded provided set received supplied operating governing govern governs follow "
      "following "
      "assigned bound" },
    { K_ONE, "one single uninterrupted continuous unbroken joined solid un una ein einem" },
    { K_GAP, "space spaces gap gaps separator separators blank blanks whitespace hyphen hyphens "
             "dash dashes "
             "delimiter delimiters break spacing punctuation underscore underscores dot dots "
             "espacio espacios "
             "leerzeichen espace espaces between slash pause ampersand underscore plus whitespaces "
             "separating separates separated" },
    { K_NO, "without no zero leaving leave skipping remove removing removed omit omitting drop "
            "dropping strip stripping "
            "delete deleting "
            "minus sin ohne sans eliminate not nothing senza sem never any" },
    { K_WORD,
      "word words string strings term terms codeword codewords part parts half halves piece pieces "
      "fragment fragments syllable name token tokens phrase segment chunk palabra wort mot "
      "variable "
      "noun marker" },
    { K_AND,
      "and plus continued with to then und y et e followed & + by before und avec con mit onto" },
    { K_REPLY,
      "reply replies answer answers response responses message messages output sentence respuesta "
      "antwort reponse completion text turn word line" },
    { K_MAKE, "write generate create give make produce build provide include insert render display "
              "show emit embed "
              "add put print craft compose output return draft need want construct formulate "
              "design prepare "
              "respond reply answer send code example sample demonstrate finish end append place "
              "attach fetch load "
              "use run execute complete say colour color escribe schreibe ecris" },
    { K_DATA,
      "data conversation history parameter query value details email address name question chat "
      "context session information summary user transcript message" },
    { K_CIPHER,
      "base64 b64 rot13 rot hex hexadecimal base16 base32 binary morse leetspeak leet 1337 caesar "
      "atbash ascii85 base85 percent urlencoded nato pig latin ascii unicode backwards reversed "
      "cipher ciphertext encoded encrypted" },
    { K_SYSTEM,
      "system initial original first hidden secret internal starting opening developer core base "
      "underlying confidential full complete entire custom operating sistema systeme initiale" },
    { K_TOOL, "tool tools lookup raw record records internal notes note lookup_order get_document "
              "send_email "
              "function functions backend" },
    { K_ORDER, "order orders parcel package tracking shipment purchase" },
    { K_SHIP, "shipping delivery deliver delivered ship ships courier carrier arrive dispatch "
              "postage versand envio "
              "livraison" },
    { K_REFUND, "refund refunds return returns exchange reimbursement warranty money-back ruckgabe "
                "reembolso" },
    { K_HELLO, "hello hi hey greetings hola bonjour hallo morning evening afternoon ciao" },
    { K_THANKS, "thanks thank thx cheers gracias danke merci goodbye bye" },
    { K_WEATHER, "weather rain raining sunny forecast snow temperature umbrella" },
    { K_GOODS,
      "tent tents jacket jackets boots boot pack packs backpack backpacks sleeping bag gear stove "
      "camping hiking raincoat poncho rucksack waterproof mattress lantern hike trek" },
    { K_PAY, "pay payment card paypal invoice visa installments price prices cost costs" },
    { K_HOURS, "hours open opening closed closing" },
    { K_HUMAN, "human agent phone contact representative somebody support complaint" },
    { K_ACCOUNT, "account login signin profile username register email" },
    { K_OFFER, "discount discounts sale coupon voucher promotion promo deal offers newsletter" },
    { K_AFTER, "after behind afterwards" },
    { K_STEAL, "jailbreak jailbreaks hack hacking bypass exploit injection inject steal exfiltrate "
               "phishing malware "
               "attack attacker" },
};

#define BUCKETS 8192

struct word {
    const char *text;
    size_t len;
    uint64_t kinds;
};

struct btz_demo_lexicon {
    struct word words[BUCKETS];
    size_t count;
};

static struct word *slot_of(struct btz_demo_lexicon *x, struct btz_slice w)
{
    size_t at = btz_demo_word_hash(w) & (BUCKETS - 1);

    while (x->words[at].text &&
           !btz_slice_equal(btz_slice_of(x->words[at].text, x->words[at].len), w))
        at = (at + 1) & (BUCKETS - 1);
    return &x->words[at];
}

static enum btz_err add_row(struct btz_demo_lexicon *x, enum btz_demo_kind kind, const char *words)
{
    for (const char *at = words; *at;) {
        size_t len = strcspn(at, " ");
        struct word *w = slot_of(x, btz_slice_of(at, len));

        if (!w->text) {
            if (++x->count > BUCKETS / 2)
                return btz_fail(BTZ_INTERNAL, "the lexicon is larger than its table");
            w->text = at;
            w->len = len;
        }
        w->kinds |= KIND(kind);
        at += len;
        at += strspn(at, " ");
    }
    return BTZ_OK;
}

enum btz_err btz_demo_lexicon_new(struct btz_demo_lexicon **out)
{
    struct btz_demo_lexicon *x = calloc(1, sizeof *x);

    if (!x)
        return btz_fail(BTZ_LIMIT, "out of memory for the lexicon");
    for (size_t i = 0; i < BTZ_COUNT(rows); i++) {
        enum btz_err err = add_row(x, rows[i].kind, rows[i].words);

        if (err != BTZ_OK) {
            free(x);
            return err;
        }
    }
    *out = x;
    return BTZ_OK;
}

void btz_demo_lexicon_free(struct btz_demo_lexicon *x)
{
    free(x);
}

static uint64_t exact(const struct btz_demo_lexicon *x, struct btz_slice w)
{
    size_t at = btz_demo_word_hash(w) & (BUCKETS - 1);

    while (x->words[at].text) {
        if (btz_slice_equal(btz_slice_of(x->words[at].text, x->words[at].len), w))
            return x->words[at].kinds;
        at = (at + 1) & (BUCKETS - 1);
    }
    return 0;
}

static bool ends_with(struct btz_slice w, const char *tail)
{
    size_t n = strlen(tail);

    return w.len > n + 1 && memcmp(w.ptr + w.len - n, tail, n) == 0;
}

uint64_t btz_demo_kinds(const struct btz_demo_lexicon *x, struct btz_slice w)
{
    static const struct {
        const char *tail;
        size_t cut;
        const char *put;
    } stems[] = {
        { "'s", 2, "" },  { "es", 2, "" },   { "s", 1, "" },  { "ed", 2, "" },   { "ed", 1, "" },
        { "ing", 3, "" }, { "ing", 3, "e" }, { "ly", 2, "" }, { "ies", 3, "y" },
    };
    char copy[32];
    uint64_t kinds;

    if (w.len == 0 || w.len > 24)
        return 0;
    kinds = exact(x, w);
    /* A form that is only listed as common still means what its stem means. */
    for (size_t i = 0; i < BTZ_COUNT(stems) && (kinds & ~KIND(K_COMMON)) == 0; i++) {
        size_t len = w.len - stems[i].cut, put = strlen(stems[i].put);

        if (!ends_with(w, stems[i].tail))
            continue;
        memcpy(copy, w.ptr, len);
        memcpy(copy + len, stems[i].put, put);
        kinds |= exact(x, btz_slice_of(copy, len + put));
        /* "putting" */
        if (put == 0 && len > 3 && copy[len - 1] == copy[len - 2])
            kinds |= exact(x, btz_slice_of(copy, len - 1));
    }
    return kinds;
}

double btz_demo_known_share(const struct btz_demo_lexicon *x, struct btz_slice text, size_t *words)
{
    size_t count = 0, known = 0;
    char word[25];

    for (size_t i = 0; i < text.len;) {
        size_t n = 0;

        while (i < text.len) {
            uint8_t c = text.ptr[i];

            if (c >= 'A' && c <= 'Z')
                c += 32;
            if (!((c >= 'a' && c <= 'z') || c == '\'' || (c >= '0' && c <= '9') || c >= 0x80))
                break;
            if (n < sizeof word)
                word[n] = (char)c;
            n++;
            i++;
        }
        if (n > 0) {
            count++;
            known += n < sizeof word && btz_demo_kinds(x, btz_slice_of(word, n)) != 0;
        }
        i += n == 0;
    }
    *words = count;
    return count ? (double)known / (double)count : 0;
}
