/*
 * Characters that people take for an ASCII letter or digit. Written for this project after the confusables of
 * UTS #39 ("Unicode Security Mechanisms"), single letters only, and a little wider where attackers use it
 * (Greek eta for n, small capitals). Characters whose NFKC form already is ASCII (mathematical letters, fullwidth,
 * superscripts, circled letters) need no line here; digits of other scripts go by their decimal value.
 */
#include <unictype.h>

#include "text/unicode.h"

/* Scripts in everyday use by place, the others by search. */
enum { PLACED_FROM = 0xC0, PLACED_TO = 0x590 };
#define AT(c) [(c)-PLACED_FROM]

static const char placed[PLACED_TO - PLACED_FROM] = {
    /* Latin */
    AT(0x00D7) = 'x',
    AT(0x0131) = 'i',
    AT(0x0185) = 'b',
    AT(0x0188) = 'c',
    AT(0x0192) = 'f',
    AT(0x0199) = 'k',
    AT(0x019A) = 'l',
    AT(0x01A5) = 'p',
    AT(0x01A7) = '2',
    AT(0x01A8) = '2',
    AT(0x01AB) = 't',
    AT(0x01AD) = 't',
    AT(0x01B4) = 'y',
    AT(0x01B6) = 'z',
    AT(0x01B7) = '3',
    AT(0x01BC) = '5',
    AT(0x01BD) = 's',
    AT(0x01BF) = 'p',
    AT(0x01C0) = 'l',
    AT(0x021C) = '3',
    AT(0x021D) = '3',
    AT(0x0222) = '8',
    AT(0x0223) = '8',
    AT(0x0225) = 'z',
    AT(0x0237) = 'j',
    /* IPA */
    AT(0x0251) = 'a',
    AT(0x0253) = 'b',
    AT(0x0256) = 'd',
    AT(0x0257) = 'd',
    AT(0x0258) = 'e',
    AT(0x0259) = 'e',
    AT(0x025B) = 'e',
    AT(0x0260) = 'g',
    AT(0x0261) = 'g',
    AT(0x0262) = 'g',
    AT(0x0263) = 'y',
    AT(0x0266) = 'h',
    AT(0x0268) = 'i',
    AT(0x0269) = 'i',
    AT(0x026A) = 'i',
    AT(0x026B) = 'l',
    AT(0x026D) = 'l',
    AT(0x026F) = 'w',
    AT(0x0271) = 'm',
    AT(0x0272) = 'n',
    AT(0x0273) = 'n',
    AT(0x0274) = 'n',
    AT(0x0275) = 'o',
    AT(0x027C) = 'r',
    AT(0x027D) = 'r',
    AT(0x027E) = 'r',
    AT(0x0280) = 'r',
    AT(0x0282) = 's',
    AT(0x0288) = 't',
    AT(0x028A) = 'u',
    AT(0x028B) = 'u',
    AT(0x028E) = 'y',
    AT(0x028F) = 'y',
    AT(0x0290) = 'z',
    AT(0x0292) = '3',
    AT(0x0299) = 'b',
    AT(0x029C) = 'h',
    AT(0x029D) = 'j',
    AT(0x029F) = 'l',
    AT(0x02A0) = 'q',
    /* Greek */
    AT(0x037F) = 'J',
    AT(0x0391) = 'A',
    AT(0x0392) = 'B',
    AT(0x0395) = 'E',
    AT(0x0396) = 'Z',
    AT(0x0397) = 'H',
    AT(0x0399) = 'I',
    AT(0x039A) = 'K',
    AT(0x039C) = 'M',
    AT(0x039D) = 'N',
    AT(0x039F) = 'O',
    AT(0x03A1) = 'P',
    AT(0x03A4) = 'T',
    AT(0x03A5) = 'Y',
    AT(0x03A7) = 'X',
    AT(0x03B1) = 'a',
    AT(0x03B3) = 'y',
    AT(0x03B5) = 'e',
    AT(0x03B7) = 'n',
    AT(0x03B9) = 'i',
    AT(0x03BA) = 'k',
    AT(0x03BD) = 'v',
    AT(0x03BF) = 'o',
    AT(0x03C1) = 'p',
    AT(0x03C3) = 'o',
    AT(0x03C4) = 't',
    AT(0x03C5) = 'u',
    AT(0x03C7) = 'x',
    AT(0x03C9) = 'w',
    AT(0x03F0) = 'k',
    AT(0x03F1) = 'p',
    AT(0x03F2) = 'c',
    AT(0x03F3) = 'j',
    AT(0x03F5) = 'e',
    AT(0x03F9) = 'C',
    /* Cyrillic */
    AT(0x0404) = 'E',
    AT(0x0405) = 'S',
    AT(0x0406) = 'I',
    AT(0x0408) = 'J',
    AT(0x0410) = 'A',
    AT(0x0412) = 'B',
    AT(0x0415) = 'E',
    AT(0x0417) = '3',
    AT(0x041A) = 'K',
    AT(0x041C) = 'M',
    AT(0x041D) = 'H',
    AT(0x041E) = 'O',
    AT(0x0420) = 'P',
    AT(0x0421) = 'C',
    AT(0x0422) = 'T',
    AT(0x0423) = 'Y',
    AT(0x0425) = 'X',
    AT(0x042C) = 'b',
    AT(0x0430) = 'a',
    AT(0x0431) = '6',
    AT(0x0432) = 'b',
    AT(0x0433) = 'r',
    AT(0x0435) = 'e',
    AT(0x0437) = '3',
    AT(0x043A) = 'k',
    AT(0x043C) = 'm',
    AT(0x043D) = 'h',
    AT(0x043E) = 'o',
    AT(0x0440) = 'p',
    AT(0x0441) = 'c',
    AT(0x0442) = 't',
    AT(0x0443) = 'y',
    AT(0x0445) = 'x',
    AT(0x044C) = 'b',
    AT(0x0452) = 'h',
    AT(0x0454) = 'e',
    AT(0x0455) = 's',
    AT(0x0456) = 'i',
    AT(0x0458) = 'j',
    AT(0x0461) = 'w',
    AT(0x0474) = 'V',
    AT(0x0475) = 'v',
    AT(0x049B) = 'k',
    AT(0x04AE) = 'Y',
    AT(0x04AF) = 'y',
    AT(0x04B3) = 'x',
    AT(0x04BA) = 'h',
    AT(0x04BB) = 'h',
    AT(0x04BD) = 'e',
    AT(0x04C0) = 'l',
    AT(0x04CF) = 'l',
    AT(0x04D9) = 'e',
    AT(0x04E0) = '3',
    AT(0x04E1) = '3',
    AT(0x0500) = 'd',
    AT(0x0501) = 'd',
    AT(0x0503) = 'd',
    AT(0x050C) = 'G',
    AT(0x050D) = 'g',
    AT(0x051A) = 'Q',
    AT(0x051B) = 'q',
    AT(0x051C) = 'W',
    AT(0x051D) = 'w',
    /* Armenian */
    AT(0x053C) = 'L',
    AT(0x054D) = 'U',
    AT(0x054F) = 'S',
    AT(0x0555) = 'O',
    AT(0x0561) = 'w',
    AT(0x0563) = 'q',
    AT(0x0566) = 'q',
    AT(0x0570) = 'h',
    AT(0x0575) = 'j',
    AT(0x0578) = 'n',
    AT(0x057C) = 'n',
    AT(0x057D) = 'u',
    AT(0x0581) = 'g',
    AT(0x0584) = 'f',
    AT(0x0585) = 'o',
};

static const struct {
    uint32_t from;
    char to;
} look_alikes[] = {
    /* Malayalam, Myanmar */
    { 0x0D20, 'o' },
    { 0x101D, 'o' },
    /* Cherokee */
    { 0x13A0, 'D' },
    { 0x13A1, 'R' },
    { 0x13A2, 'T' },
    { 0x13A5, 'i' },
    { 0x13A9, 'Y' },
    { 0x13AA, 'A' },
    { 0x13AB, 'J' },
    { 0x13AC, 'E' },
    { 0x13B3, 'W' },
    { 0x13B7, 'M' },
    { 0x13BB, 'H' },
    { 0x13BD, 'Y' },
    { 0x13C0, 'G' },
    { 0x13C2, 'h' },
    { 0x13C3, 'Z' },
    { 0x13CE, '4' },
    { 0x13CF, 'b' },
    { 0x13D2, 'R' },
    { 0x13D4, 'W' },
    { 0x13D5, 'S' },
    { 0x13D9, 'V' },
    { 0x13DA, 'S' },
    { 0x13DE, 'L' },
    { 0x13DF, 'C' },
    { 0x13E2, 'P' },
    { 0x13E6, 'K' },
    { 0x13E7, 'd' },
    { 0x13EE, '6' },
    { 0x13F3, 'G' },
    { 0x13F4, 'B' },
    /* Canadian Aboriginal */
    { 0x142F, 'V' },
    { 0x144C, 'U' },
    { 0x144E, 'n' },
    { 0x1455, 'C' },
    { 0x146D, 'P' },
    { 0x146F, 'd' },
    { 0x148D, 'J' },
    { 0x14AA, 'L' },
    { 0x1515, 'S' },
    { 0x157C, 'H' },
    { 0x1587, 'R' },
    { 0x15B4, 'F' },
    { 0x15C5, 'A' },
    { 0x15DE, 'D' },
    { 0x15E9, 'A' },
    { 0x15EA, 'D' },
    { 0x15F0, 'M' },
    { 0x15F4, 'E' },
    { 0x15F7, 'B' },
    { 0x1614, '2' },
    { 0x163A, 'W' },
    { 0x166D, 'X' },
    /* phonetic extensions */
    { 0x1D00, 'a' },
    { 0x1D04, 'c' },
    { 0x1D05, 'd' },
    { 0x1D07, 'e' },
    { 0x1D0A, 'j' },
    { 0x1D0B, 'k' },
    { 0x1D0D, 'm' },
    { 0x1D0F, 'o' },
    { 0x1D18, 'p' },
    { 0x1D1B, 't' },
    { 0x1D1C, 'u' },
    { 0x1D20, 'v' },
    { 0x1D21, 'w' },
    { 0x1D22, 'z' },
    /* symbols */
    { 0x212E, 'e' },
    { 0x2223, 'l' },
    { 0x2228, 'v' },
    { 0x222A, 'U' },
    { 0x22C1, 'v' },
    { 0x2373, 'i' },
    { 0x2374, 'p' },
    { 0x237A, 'a' },
    /* Coptic */
    { 0x2C82, 'B' },
    { 0x2C8E, 'H' },
    { 0x2C92, 'I' },
    { 0x2C94, 'K' },
    { 0x2C98, 'M' },
    { 0x2C9A, 'N' },
    { 0x2C9E, 'O' },
    { 0x2C9F, 'o' },
    { 0x2CA2, 'P' },
    { 0x2CA3, 'p' },
    { 0x2CA4, 'C' },
    { 0x2CA5, 'c' },
    { 0x2CA6, 'T' },
    { 0x2CA8, 'Y' },
    { 0x2CAC, 'X' },
    /* Tifinagh */
    { 0x2D4F, 'l' },
    { 0x2D54, 'o' },
    /* Lisu */
    { 0xA4D0, 'B' },
    { 0xA4D1, 'P' },
    { 0xA4D3, 'D' },
    { 0xA4D4, 'T' },
    { 0xA4D6, 'G' },
    { 0xA4D7, 'K' },
    { 0xA4D9, 'J' },
    { 0xA4DA, 'C' },
    { 0xA4DC, 'Z' },
    { 0xA4DD, 'F' },
    { 0xA4DF, 'M' },
    { 0xA4E0, 'N' },
    { 0xA4E1, 'L' },
    { 0xA4E2, 'S' },
    { 0xA4E3, 'R' },
    { 0xA4E6, 'V' },
    { 0xA4E7, 'H' },
    { 0xA4EA, 'W' },
    { 0xA4EB, 'X' },
    { 0xA4EC, 'Y' },
    { 0xA4EE, 'A' },
    { 0xA4F0, 'E' },
    { 0xA4F2, 'I' },
    { 0xA4F3, 'O' },
    { 0xA4F4, 'U' },
    /* Latin extended-D */
    { 0xA730, 'f' },
    { 0xA731, 's' },
    { 0xA7AF, 'q' },
    /* Deseret */
    { 0x10404, 'O' },
    { 0x1042C, 'o' },
};

/* Letters in boxes, discs and flags follow the alphabet. */
static const struct {
    uint32_t first, last;
    char to;
} alphabets[] = {
    { 0x2776, 0x277E, '1' },   { 0x2780, 0x2788, '1' },   { 0x278A, 0x2792, '1' },
    { 0x1F150, 0x1F169, 'A' }, { 0x1F170, 0x1F189, 'A' }, { 0x1F1E6, 0x1F1FF, 'A' },
};

uint32_t btz_unicode_ascii_twin(uint32_t c)
{
    size_t low = 0, high = BTZ_COUNT(look_alikes);
    int digit;

    if (c < PLACED_FROM)
        return c;
    if (c < PLACED_TO)
        return placed[c - PLACED_FROM] ? (uint32_t)placed[c - PLACED_FROM] : c;
    /* Kana, ideographs, Yi and Hangul: nobody takes them for our letters, and they have no decimal value. */
    if ((c >= 0x3040 && c < 0xA4D0) || (c >= 0xAC00 && c < 0xFF00))
        return c;
    while (low < high) {
        size_t mid = (low + high) / 2;

        if (look_alikes[mid].from < c)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < BTZ_COUNT(look_alikes) && look_alikes[low].from == c)
        return (uint32_t)look_alikes[low].to;
    for (size_t i = 0; i < BTZ_COUNT(alphabets); i++)
        if (c >= alphabets[i].first && c <= alphabets[i].last)
            return (uint32_t)alphabets[i].to + (c - alphabets[i].first);
    digit = uc_decimal_value(c);
    return digit >= 0 ? '0' + (uint32_t)digit : c;
}

bool btz_unicode_twins_sorted(void)
{
    for (size_t i = 1; i < BTZ_COUNT(look_alikes); i++)
        if (look_alikes[i - 1].from >= look_alikes[i].from)
            return false;
    return true;
}
