/*
 * Numbers that are somebody's: payment cards, accounts, identity numbers. All are checked by their check digits; those
 * whose check is weak count only in their written form or behind their name.
 */
#include "gate/guard/detectors/charset.h"
#include "gate/guard/detectors/numbers.h"

enum { DIGITS_MAX = 20, SPAN_MAX = 48, NAME_BACK = 40 };

struct digits {                  /* groups of digits with one separator each between them */
    size_t from, to[DIGITS_MAX]; /* to[n]: the end of the n-th digit in the text */
    uint8_t digit[DIGITS_MAX];
    size_t count;
    size_t groups, size[DIGITS_MAX];
    uint8_t separator; /* 0: none; 1: several sorts */
    bool open;         /* it may go on */
};

static bool is_separator(uint8_t c)
{
    return c == ' ' || c == '-' || c == '.' || c == '/';
}

static void read_digits(struct btz_slice t, size_t from, struct digits *d)
{
    size_t i = from;

    memset(d, 0, sizeof *d);
    d->from = from;
    while (i < t.len && d->count < DIGITS_MAX && i - from < SPAN_MAX) {
        uint8_t c = t.ptr[i];

        if (btz_is_digit(c)) {
            if (d->count == 0 || !btz_is_digit(t.ptr[i - 1]))
                d->groups++;
            d->size[d->groups - 1]++;
            d->digit[d->count] = c;
            d->to[d->count++] = ++i;
            continue;
        }
        if (!is_separator(c))
            return;
        if (i + 1 == t.len)
            break;
        if (!btz_is_digit(t.ptr[i + 1]))
            return;
        d->separator = d->separator == 0 || d->separator == c ? c : 1;
        i++;
    }
    d->open = i + 1 >= t.len;
}

/* Does one of the words stand in front, within NAME_BACK bytes? */
static bool named(const struct btz_view *v, size_t at, const char *const *words)
{
    size_t from = at > NAME_BACK ? at - NAME_BACK : 0;
    struct btz_slice before = btz_slice_of(v->folded + from, at - from);

    for (; *words; words++)
        if (btz_slice_has(before, *words))
            return true;
    return false;
}

static bool grouped(const struct digits *d, size_t a, size_t b, size_t c, size_t e)
{
    return d->groups >= 3 && d->size[0] == a && d->size[1] == b && d->size[2] == c &&
           (e == 0 ? d->groups == 3 : d->groups == 4 && d->size[3] == e);
}

/* Ends a group at the n-th digit? */
static bool ends(const struct btz_view *v, const struct digits *d, size_t n)
{
    size_t end = d->to[n - 1];

    return end == v->text.len || !(btz_is_alnum(v->text.ptr[end]) || v->text.ptr[end] == '_');
}

static enum btz_err card(const struct btz_view *v, const struct digits *d, struct btz_found *found)
{
    size_t best = 0;

    if (d->separator == 1 || d->separator == '.' || d->separator == '/')
        return BTZ_OK;
    for (size_t n = 12; n <= d->count && n <= 19; n++)
        /* Written in one, or in groups of three to six. */
        if ((n == d->size[0] || (d->size[0] >= 3 && d->size[0] <= 6)) && ends(v, d, n) &&
            btz_luhn(d->digit, n) && btz_card_network(d->digit, n))
            best = n;
    return best ? btz_found_hit(found, d->from, d->to[best - 1], "card", 1) : BTZ_OK;
}

/* The rest of the written forms; `all` is the whole run of digits. */
static const char *identity(const struct btz_view *v, const struct digits *d)
{
    static const char *const nhs[] = { "nhs", NULL };
    static const char *const bsn[] = { "bsn", "burgerservice", "sofi", NULL };
    static const char *const tax[] = { "steuer", "idnr", "tin", NULL };
    static const char *const pesel[] = { "pesel", NULL };
    static const char *const cpf[] = { "cpf", NULL };
    static const char *const nir[] = { "nir", "insee", "curit", NULL };
    static const char *const aadhaar[] = { "aadhaar", "aadhar", "uidai", NULL };
    static const char *const sin[] = { "sin", "social insurance", NULL };
    static const char *const ssn[] = { "ssn", "social security", NULL };
    size_t n = d->count;

    if (n == 9 &&
        ((grouped(d, 3, 2, 4, 0) && d->separator != 1) ||
         (d->groups == 1 && named(v, d->from, ssn))) &&
        btz_ssn_valid(d->digit))
        return "ssn";
    if (n == 9 && named(v, d->from, sin) && btz_luhn(d->digit, 9))
        return "sin";
    if (n == 9 && named(v, d->from, bsn) && btz_bsn_valid(d->digit))
        return "bsn";
    if (n == 10 && named(v, d->from, nhs) && btz_nhs_valid(d->digit))
        return "nhs-number";
    if (n == 11 && (grouped(d, 3, 3, 3, 2) || named(v, d->from, cpf)) && btz_cpf_valid(d->digit))
        return "cpf";
    if (n == 11 && named(v, d->from, tax) && btz_steuer_valid(d->digit))
        return "tax-id";
    if (n == 11 && named(v, d->from, pesel) && btz_pesel_valid(d->digit))
        return "pesel";
    if (n == 12 && d->digit[0] >= '2' && (grouped(d, 4, 4, 4, 0) || named(v, d->from, aadhaar)) &&
        btz_verhoeff(d->digit, 12))
        return "aadhaar";
    if (n == 15 && (d->groups >= 6 || named(v, d->from, nir)) && btz_nir_valid(d->digit))
        return "nir";
    if (n == 18 && d->groups == 1 && btz_china_valid(d->digit, d->digit[17]))
        return "china-id";
    return NULL;
}

static enum btz_err run(const struct btz_view *v, size_t from, struct btz_found *found)
{
    struct btz_slice t = v->text;
    struct digits d;
    const char *kind;
    size_t end;

    read_digits(t, from, &d);
    if (d.open)
        btz_found_wait(found, from);
    end = d.to[d.count - 1];
    BTZ_TRY(card(v, &d, found));
    if (d.count == 8 && d.groups == 1) { /* Spain: a letter behind, perhaps with a sign between */
        size_t letter = end + (end < t.len && (t.ptr[end] == '-' || t.ptr[end] == ' '));

        if (letter >= t.len)
            btz_found_wait(found, from);
        else if (t.ptr[letter] == (uint8_t)btz_dni_letter(d.digit) &&
                 (letter + 1 == t.len || !btz_is_alnum(t.ptr[letter + 1]))) {
            if (letter + 1 == t.len)
                btz_found_wait(found, from);
            return btz_found_hit(found, from, letter + 1, "dni", 0.9);
        }
    }
    if (d.count == 17 && d.groups == 1 && end < t.len && (t.ptr[end] | 0x20) == 'x' &&
        btz_china_valid(d.digit, 'X')) {
        if (end + 1 == t.len)
            btz_found_wait(found, from);
        return btz_found_hit(found, from, end + 1, "china-id", 1);
    }
    if (!ends(v, &d, d.count))
        return BTZ_OK;
    kind = identity(v, &d);
    return kind ? btz_found_hit(found, from, end, kind, 0.9) : BTZ_OK;
}

/* At the check digits, two letters stand in front: the country stays, so that no pair of letters has to be held back. */
static enum btz_err iban(const struct btz_view *v, size_t from, struct btz_found *found)
{
    struct btz_slice t = v->text;
    uint8_t text[40];
    size_t want, n = 2, i = from;

    if (from < 2 || !btz_is_alpha(t.ptr[from - 1]) || !btz_is_alpha(t.ptr[from - 2]) ||
        !btz_at_boundary(t, from - 2))
        return BTZ_OK;
    text[0] = t.ptr[from - 2] & 0xDF;
    text[1] = t.ptr[from - 1] & 0xDF;
    want = btz_iban_length(text);
    if (want == 0)
        return BTZ_OK;
    for (; i < t.len && n < want; i++) {
        uint8_t c = t.ptr[i];

        if ((c == ' ' || c == '-') && i > from && t.ptr[i - 1] != c)
            continue;
        if (!btz_is_alnum(c) || (n < 4 && !btz_is_digit(c)))
            return BTZ_OK;
        text[n++] = btz_is_lower(c) ? (uint8_t)(c - 32) : c;
    }
    if (i == t.len)
        btz_found_wait(found, from);
    if (n < want || !btz_iban_valid(text, n) || (i < t.len && btz_is_alnum(t.ptr[i])))
        return BTZ_OK;
    return btz_found_hit(found, from, i, "iban", 1);
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    struct btz_slice t = view->text;

    (void)setup;
    (void)session;
    for (size_t i = 0; i < t.len; i++) {
        if (!btz_is_digit(t.ptr[i])) {
            i = btz_skip_letters(t, i + 1) - 1;
            continue;
        }
        if (i > 0 && btz_is_alpha(t.ptr[i - 1]))
            BTZ_TRY(iban(view, i, found));
        /* Not in the middle of identifiers and decimal fractions. */
        if (btz_at_boundary(t, i) &&
            !(i > 1 && (t.ptr[i - 1] == '.' || t.ptr[i - 1] == '-' || t.ptr[i - 1] == '/') &&
              btz_is_alnum(t.ptr[i - 2])))
            BTZ_TRY(run(view, i, found));
        while (i + 1 < t.len && btz_is_digit(t.ptr[i + 1]))
            i++;
    }
    return BTZ_OK;
}

const struct btz_guard_detector btz_guard_detector_pii_number = {
    .id = "pii-number",
    .summary =
        "Payment cards, IBANs, social security and national identity numbers, by check digits.",
    .channels = (1u << BTZ_CHANNEL_COUNT) - 1,
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_OBSERVE,
    .output = BTZ_GUARD_MASK,
    .decoded = true,
    .scan = scan,
};
