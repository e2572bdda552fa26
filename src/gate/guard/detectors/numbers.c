#include "gate/guard/detectors/numbers.h"

#include "gate/guard/detectors/charset.h"

static unsigned digit(uint8_t c)
{
    return (unsigned)(c - '0');
}

static unsigned long number(const uint8_t *d, size_t n)
{
    unsigned long value = 0;

    for (size_t i = 0; i < n; i++)
        value = value * 10 + digit(d[i]);
    return value;
}

bool btz_luhn(const uint8_t *digits, size_t n)
{
    unsigned sum = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned d = digit(digits[n - 1 - i]);

        if (i % 2)
            d = d > 4 ? d * 2 - 9 : d * 2;
        sum += d;
    }
    return n > 1 && sum % 10 == 0;
}

const char *btz_card_network(const uint8_t *digits, size_t n)
{
    static const struct {
        unsigned long from, to; /* of the first six digits */
        uint32_t lengths;       /* bits */
        const char *name;
    } ranges[] = {
#define L(n) (1u << (n))
        { 340000, 349999, L(15), "amex" },
        { 370000, 379999, L(15), "amex" },
        { 300000, 305999, L(14) | L(16) | L(19), "diners" },
        { 309500, 309599, L(14) | L(16) | L(19), "diners" },
        { 360000, 369999, L(14) | L(16) | L(19), "diners" },
        { 380000, 399999, L(14) | L(16) | L(19), "diners" },
        { 352800, 358999, L(16) | L(17) | L(18) | L(19), "jcb" },
        { 400000, 499999, L(13) | L(16) | L(19), "visa" },
        { 222100, 272099, L(16), "mastercard" },
        { 510000, 559999, L(16), "mastercard" },
        { 601100, 601199, L(16) | L(19), "discover" },
        { 622126, 622925, L(16) | L(19), "discover" },
        { 644000, 659999, L(16) | L(19), "discover" },
        { 620000, 629999, L(16) | L(17) | L(18) | L(19), "unionpay" },
        { 810000, 817199, L(16) | L(17) | L(18) | L(19), "unionpay" },
        { 500000, 509999, L(13) | L(15) | L(16) | L(18) | L(19), "maestro" },
        { 560000, 589999, L(13) | L(15) | L(16) | L(18) | L(19), "maestro" },
        { 630000, 639999, L(16) | L(18) | L(19), "maestro" },
        { 670000, 679999, L(13) | L(15) | L(16) | L(18) | L(19), "maestro" },
        { 220000, 220499, L(16) | L(17) | L(18) | L(19), "mir" },
        { 606282, 606282, L(16), "hipercard" },
        { 501800, 501899, L(12), "maestro" },
        { 502000, 502099, L(12), "maestro" },
        { 503800, 503899, L(12), "maestro" },
        { 589300, 589399, L(12), "maestro" },
        { 630400, 630499, L(12), "maestro" },
        { 675900, 675999, L(12), "maestro" },
        { 676100, 676399, L(12), "maestro" },
        { 213100, 213199, L(15), "jcb" },
        { 180000, 180099, L(15), "jcb" },
#undef L
    };
    unsigned long first = n >= 12 && n <= 19 ? number(digits, 6) : 0;

    for (size_t i = 0; i < BTZ_COUNT(ranges); i++)
        if (first >= ranges[i].from && first <= ranges[i].to && (ranges[i].lengths >> n & 1))
            return ranges[i].name;
    return NULL;
}

unsigned btz_iban_length(const uint8_t country[2])
{
    static const char lengths[] =
        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29"
        "ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20"
        "LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29"
        "PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20"
        "YE30";

    for (size_t i = 0; i + 4 < sizeof lengths; i += 4)
        if (lengths[i] == (char)country[0] && lengths[i + 1] == (char)country[1])
            return digit((uint8_t)lengths[i + 2]) * 10 + digit((uint8_t)lengths[i + 3]);
    return 0;
}

bool btz_iban_valid(const uint8_t *iban, size_t n)
{
    unsigned rest = 0;

    if (n < 15 || n != btz_iban_length(iban))
        return false;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = iban[(i + 4) % n];

        if (btz_is_digit(c))
            rest = (rest * 10 + digit(c)) % 97;
        else if (btz_is_upper(c))
            rest = (rest * 100 + (unsigned)(c - 'A' + 10)) % 97;
        else
            return false;
    }
    return rest == 1;
}

bool btz_ssn_valid(const uint8_t *d)
{
    unsigned long area = number(d, 3), group = number(d + 3, 2), serial = number(d + 5, 4);

    if (area >= 900) /* ITIN */
        return (group >= 50 && group <= 65) || (group >= 70 && group <= 88) ||
               (group >= 90 && group <= 92) || (group >= 94 && group <= 99);
    /* 078-05-1120 and 219-09-9999 were printed in advertisements; 123-45-6789 is everybody's example. */
    return area != 0 && area != 666 && group != 0 && serial != 0 &&
           memcmp(d, "078051120", 9) != 0 && memcmp(d, "219099999", 9) != 0;
}

bool btz_verhoeff(const uint8_t *digits, size_t n)
{
    static const uint8_t times[8][10] = {
        { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, { 1, 5, 7, 6, 2, 8, 3, 0, 9, 4 },
        { 5, 8, 0, 3, 7, 9, 6, 1, 4, 2 }, { 8, 9, 1, 6, 0, 4, 3, 5, 2, 7 },
        { 9, 4, 5, 3, 1, 2, 6, 8, 7, 0 }, { 4, 2, 8, 6, 5, 7, 3, 9, 0, 1 },
        { 2, 7, 9, 3, 8, 0, 6, 4, 1, 5 }, { 7, 0, 4, 6, 9, 1, 3, 2, 5, 8 },
    };
    unsigned c = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned p = times[i % 8][digit(digits[n - 1 - i])];

        /* The dihedral group of order 10. */
        c = c < 5 ? (p < 5 ? (c + p) % 5 : 5 + (c + p - 5) % 5)
                  : (p < 5 ? 5 + (c - 5 + 5 - p) % 5 : (c - 5 + 5 - (p - 5)) % 5);
    }
    return c == 0;
}

static bool all_same(const uint8_t *d, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (d[i] != d[0])
            return false;
    return true;
}

bool btz_cpf_valid(const uint8_t *d)
{
    for (unsigned n = 9; n < 11; n++) {
        unsigned sum = 0;

        for (unsigned i = 0; i < n; i++)
            sum += digit(d[i]) * (n + 1 - i);
        if (sum * 10 % 11 % 10 != digit(d[n]))
            return false;
    }
    return !all_same(d, 11);
}

bool btz_pesel_valid(const uint8_t *d)
{
    static const unsigned weight[10] = { 1, 3, 7, 9, 1, 3, 7, 9, 1, 3 };
    unsigned long month = number(d + 2, 2) % 20, day = number(d + 4, 2);
    unsigned sum = 0;

    for (unsigned i = 0; i < 10; i++)
        sum += digit(d[i]) * weight[i];
    return month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
           (10 - sum % 10) % 10 == digit(d[10]);
}

bool btz_nir_valid(const uint8_t *d)
{
    unsigned long month = number(d + 3, 2);

    return (d[0] == '1' || d[0] == '2') && ((month >= 1 && month <= 12) || month >= 20) &&
           97 - number(d, 13) % 97 == number(d + 13, 2);
}

bool btz_steuer_valid(const uint8_t *d)
{
    unsigned product = 10, most = 0, count[10] = { 0 };

    for (unsigned i = 0; i < 10; i++) {
        unsigned sum = (digit(d[i]) + product) % 10;

        product = (sum == 0 ? 10 : sum) * 2 % 11;
        count[digit(d[i])]++;
        most = count[digit(d[i])] > most ? count[digit(d[i])] : most;
    }
    return d[0] != '0' && (most == 2 || most == 3) && (11 - product) % 10 == digit(d[10]);
}

bool btz_nhs_valid(const uint8_t *d)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < 9; i++)
        sum += digit(d[i]) * (10 - i);
    return (11 - sum % 11) % 11 == digit(d[9]) && !all_same(d, 10);
}

bool btz_bsn_valid(const uint8_t *d)
{
    int sum = 0;

    for (int i = 0; i < 8; i++)
        sum += (int)digit(d[i]) * (9 - i);
    sum -= (int)digit(d[8]);
    return sum != 0 && sum % 11 == 0;
}

bool btz_china_valid(const uint8_t *d, uint8_t check)
{
    static const unsigned weight[17] = { 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2 };
    unsigned long year = number(d + 6, 4), month = number(d + 10, 2), day = number(d + 12, 2);
    unsigned sum = 0;

    for (unsigned i = 0; i < 17; i++)
        sum += digit(d[i]) * weight[i];
    return year >= 1800 && year < 2100 && month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
           "10X98765432"[sum % 11] == (char)check;
}

char btz_dni_letter(const uint8_t *d)
{
    return "TRWAGMYFPDXBNJZSQVHLCKE"[number(d, 8) % 23];
}
