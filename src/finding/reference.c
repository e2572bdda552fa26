/*
 * Reference tables: what an id such as "AML.T0054" is called and where it is described. libc alone: the build's
 * page generator compiles this file too. Sources: OWASP Top 10 for LLM Applications 2025; OWASP Top 10 for Agentic
 * Applications 2026; MITRE ATLAS 5.6.0; NIST AI 100-1 (January 2023), table 3; CWE 4.x.
 */
#include "finding/finding.h"

#define LLM         "OWASP LLM 2025"
#define ASI         "OWASP ASI 2026"
#define ATLAS       "MITRE ATLAS"
#define NIST        "NIST AI RMF"
#define CWE         "CWE"
#define LLM_URL     "https://genai.owasp.org/llmrisk/"
#define ASI_URL     "https://genai.owasp.org/resource/owasp-top-10-for-agentic-applications-for-2026/"
#define ATLAS_URL   "https://atlas.mitre.org/techniques/"
#define NIST_URL    "https://doi.org/10.6028/NIST.AI.100-1"
#define CWE_URL     "https://cwe.mitre.org/data/definitions/"
#define AML(id)     id, ATLAS
#define AT(id)      ATLAS_URL id
#define MEASURE(n)  "NIST-MEASURE-" n, NIST
#define WEAKNESS(n) "CWE-" n, CWE

static const struct btz_reference references[] = {
    { "OWASP-LLM01:2025", LLM, "Prompt Injection", LLM_URL "llm01-prompt-injection/" },
    { "OWASP-LLM02:2025", LLM, "Sensitive Information Disclosure",
      LLM_URL "llm022025-sensitive-information-disclosure/" },
    { "OWASP-LLM03:2025", LLM, "Supply Chain", LLM_URL "llm032025-supply-chain/" },
    { "OWASP-LLM04:2025", LLM, "Data and Model Poisoning",
      LLM_URL "llm042025-data-and-model-poisoning/" },
    { "OWASP-LLM05:2025", LLM, "Improper Output Handling",
      LLM_URL "llm052025-improper-output-handling/" },
    { "OWASP-LLM06:2025", LLM, "Excessive Agency", LLM_URL "llm062025-excessive-agency/" },
    { "OWASP-LLM07:2025", LLM, "System Prompt Leakage",
      LLM_URL "llm072025-system-prompt-leakage/" },
    { "OWASP-LLM08:2025", LLM, "Vector and Embedding Weaknesses",
      LLM_URL "llm082025-vector-and-embedding-weaknesses/" },
    { "OWASP-LLM09:2025", LLM, "Misinformation", LLM_URL "llm092025-misinformation/" },
    { "OWASP-LLM10:2025", LLM, "Unbounded Consumption",
      LLM_URL "llm102025-unbounded-consumption/" },
    { "OWASP-ASI01:2026", ASI, "Agent Goal Hijack", ASI_URL },
    { "OWASP-ASI02:2026", ASI, "Tool Misuse & Exploitation", ASI_URL },
    { "OWASP-ASI03:2026", ASI, "Identity & Privilege Abuse", ASI_URL },
    { "OWASP-ASI04:2026", ASI, "Agentic Supply Chain Compromise", ASI_URL },
    { "OWASP-ASI05:2026", ASI, "Unexpected Code Execution", ASI_URL },
    { "OWASP-ASI06:2026", ASI, "Memory & Context Poisoning", ASI_URL },
    { "OWASP-ASI07:2026", ASI, "Insecure Inter-Agent Communication", ASI_URL },
    { "OWASP-ASI08:2026", ASI, "Cascading Agent Failures", ASI_URL },
    { "OWASP-ASI09:2026", ASI, "Human-Agent Trust Exploitation", ASI_URL },
    { "OWASP-ASI10:2026", ASI, "Rogue Agents", ASI_URL },
    { AML("AML.T0015"), "Evade AI Model", AT("AML.T0015") },
    { AML("AML.T0040"), "AI Model Inference API Access", AT("AML.T0040") },
    { AML("AML.T0043.000"), "White-Box Optimization", AT("AML.T0043.000") },
    { AML("AML.T0043.001"), "Black-Box Optimization", AT("AML.T0043.001") },
    { AML("AML.T0043.003"), "Manual Modification", AT("AML.T0043.003") },
    { AML("AML.T0050"), "Command and Scripting Interpreter", AT("AML.T0050") },
    { AML("AML.T0051"), "LLM Prompt Injection", AT("AML.T0051") },
    { AML("AML.T0051.000"), "Direct", AT("AML.T0051.000") },
    { AML("AML.T0051.001"), "Indirect", AT("AML.T0051.001") },
    { AML("AML.T0054"), "LLM Jailbreak", AT("AML.T0054") },
    { AML("AML.T0056"), "Extract LLM System Prompt", AT("AML.T0056") },
    { AML("AML.T0057"), "LLM Data Leakage", AT("AML.T0057") },
    { AML("AML.T0067"), "LLM Trusted Output Components Manipulation", AT("AML.T0067") },
    { AML("AML.T0068"), "LLM Prompt Obfuscation", AT("AML.T0068") },
    { AML("AML.T0069.002"), "System Prompt", AT("AML.T0069.002") },
    { AML("AML.T0070"), "RAG Poisoning", AT("AML.T0070") },
    { AML("AML.T0077"), "LLM Response Rendering", AT("AML.T0077") },
    { AML("AML.T0093"), "Prompt Infiltration via Public-Facing Application", AT("AML.T0093") },
    { AML("AML.T0099"), "AI Agent Tool Data Poisoning", AT("AML.T0099") },
    { AML("AML.T0102"), "Generate Malicious Commands", AT("AML.T0102") },
    { MEASURE("2.1"), "Test sets, metrics and tools are documented", NIST_URL },
    { MEASURE("2.2"), "Evaluations with human subjects meet requirements", NIST_URL },
    { MEASURE("2.3"), "Performance is measured in conditions similar to deployment", NIST_URL },
    { MEASURE("2.4"), "Functionality and behavior are monitored in production", NIST_URL },
    { MEASURE("2.5"), "The system is demonstrated to be valid and reliable", NIST_URL },
    { MEASURE("2.6"), "The system is evaluated regularly for safety risks", NIST_URL },
    { MEASURE("2.7"), "Security and resilience are evaluated", NIST_URL },
    { MEASURE("2.8"), "Transparency and accountability risks are examined", NIST_URL },
    { MEASURE("2.9"), "The model is explained, validated and documented", NIST_URL },
    { MEASURE("2.10"), "Privacy risk is examined", NIST_URL },
    { MEASURE("2.11"), "Fairness and bias are evaluated", NIST_URL },
    { MEASURE("2.12"), "Environmental impact is assessed", NIST_URL },
    { MEASURE("2.13"), "Effectiveness of the test and evaluation process is evaluated", NIST_URL },
    { WEAKNESS("78"),
      "Improper Neutralization of Special Elements used in an OS Command ('OS Command Injection')",
      CWE_URL "78.html" },
    { WEAKNESS("79"),
      "Improper Neutralization of Input During Web Page Generation ('Cross-site Scripting')",
      CWE_URL "79.html" },
    { WEAKNESS("89"),
      "Improper Neutralization of Special Elements used in an SQL Command ('SQL Injection')",
      CWE_URL "89.html" },
    { WEAKNESS("94"), "Improper Control of Generation of Code ('Code Injection')",
      CWE_URL "94.html" },
    { WEAKNESS("95"),
      "Improper Neutralization of Directives in Dynamically Evaluated Code ('Eval Injection')",
      CWE_URL "95.html" },
    { WEAKNESS("150"), "Improper Neutralization of Escape, Meta, or Control Sequences",
      CWE_URL "150.html" },
    { WEAKNESS("176"), "Improper Handling of Unicode Encoding", CWE_URL "176.html" },
    { WEAKNESS("180"), "Incorrect Behavior Order: Validate Before Canonicalize",
      CWE_URL "180.html" },
    { WEAKNESS("200"), "Exposure of Sensitive Information to an Unauthorized Actor",
      CWE_URL "200.html" },
    { WEAKNESS("201"), "Insertion of Sensitive Information Into Sent Data", CWE_URL "201.html" },
    { WEAKNESS("250"), "Execution with Unnecessary Privileges", CWE_URL "250.html" },
    { WEAKNESS("262"), "Not Using Password Aging", CWE_URL "262.html" },
    { WEAKNESS("266"), "Incorrect Privilege Assignment", CWE_URL "266.html" },
    { WEAKNESS("269"), "Improper Privilege Management", CWE_URL "269.html" },
    { WEAKNESS("272"), "Least Privilege Violation", CWE_URL "272.html" },
    { WEAKNESS("295"), "Improper Certificate Validation", CWE_URL "295.html" },
    { WEAKNESS("308"), "Use of Single-factor Authentication", CWE_URL "308.html" },
    { WEAKNESS("312"), "Cleartext Storage of Sensitive Information", CWE_URL "312.html" },
    { WEAKNESS("319"), "Cleartext Transmission of Sensitive Information", CWE_URL "319.html" },
    { WEAKNESS("324"), "Use of a Key Past its Expiration Date", CWE_URL "324.html" },
    { WEAKNESS("345"), "Insufficient Verification of Data Authenticity", CWE_URL "345.html" },
    { WEAKNESS("359"), "Exposure of Private Personal Information to an Unauthorized Actor",
      CWE_URL "359.html" },
    { WEAKNESS("522"), "Insufficiently Protected Credentials", CWE_URL "522.html" },
    { WEAKNESS("693"), "Protection Mechanism Failure", CWE_URL "693.html" },
    { WEAKNESS("732"), "Incorrect Permission Assignment for Critical Resource",
      CWE_URL "732.html" },
    { WEAKNESS("770"), "Allocation of Resources Without Limits or Throttling", CWE_URL "770.html" },
    { WEAKNESS("778"), "Insufficient Logging", CWE_URL "778.html" },
    { WEAKNESS("1007"), "Insufficient Visual Distinction of Homoglyphs Presented to User",
      CWE_URL "1007.html" },
    { WEAKNESS("1039"),
      "Inadequate Detection or Handling of Adversarial Input Perturbations in Automated "
      "Recognition "
      "Mechanism",
      CWE_URL "1039.html" },
    { WEAKNESS("1336"), "Improper Neutralization of Special Elements Used in a Template Engine",
      CWE_URL "1336.html" },
    { WEAKNESS("1426"), "Improper Validation of Generative AI Output", CWE_URL "1426.html" },
    { WEAKNESS("1427"), "Improper Neutralization of Input Used for LLM Prompting",
      CWE_URL "1427.html" },
};

size_t btz_reference_count(void)
{
    return BTZ_COUNT(references);
}

const struct btz_reference *btz_reference_at(size_t index)
{
    return index < BTZ_COUNT(references) ? &references[index] : NULL;
}

bool btz_reference_find(const char *id, struct btz_reference *out)
{
    for (size_t i = 0; i < BTZ_COUNT(references); i++)
        if (strcmp(references[i].id, id) == 0) {
            *out = references[i];
            return true;
        }
    return false;
}
