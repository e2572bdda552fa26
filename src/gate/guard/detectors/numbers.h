/* Numbers with check digits: cards, accounts, national identity numbers. Pure functions over digits. */
#ifndef BTZ_GATE_GUARD_NUMBERS_H
#define BTZ_GATE_GUARD_NUMBERS_H

#include "base/base.h"

/* ISO/IEC 7812-1 annex B over n decimal digits (as characters). */
bool btz_luhn(const uint8_t *digits, size_t n);
/* The network by its range (ISO/IEC 7812 and the networks' lists) and length, or NULL. */
const char *btz_card_network(const uint8_t *digits, size_t n);
/* Length of a country's IBAN (ISO 13616 registry); 0: none. */
unsigned btz_iban_length(const uint8_t country[2]);
/* ISO 7064 MOD 97-10 over the whole IBAN without spaces. */
bool btz_iban_valid(const uint8_t *iban, size_t n);
/* A national identity number: the digits, and what surrounds them as it stands. NULL: none. `d`: n digits. */
bool btz_ssn_valid(const uint8_t *d); /* nine digits: US, SSA's rules since 2011, and ITIN */
bool btz_verhoeff(const uint8_t *digits, size_t n); /* India, Aadhaar */
bool btz_cpf_valid(const uint8_t *d);               /* Brazil, eleven digits */
bool btz_pesel_valid(const uint8_t *d);  /* Poland, eleven digits: date and check digit */
bool btz_nir_valid(const uint8_t *d);    /* France, fifteen digits */
bool btz_steuer_valid(const uint8_t *d); /* Germany, eleven digits: ISO 7064 MOD 11,10 */
bool btz_nhs_valid(const uint8_t *d);    /* UK, ten digits */
bool btz_bsn_valid(const uint8_t *d);    /* Netherlands, nine digits */
bool btz_china_valid(const uint8_t *d,
                     uint8_t check);   /* 17 digits and a digit or X: ISO 7064 MOD 11-2 */
char btz_dni_letter(const uint8_t *d); /* Spain: the letter of eight digits */

#endif
