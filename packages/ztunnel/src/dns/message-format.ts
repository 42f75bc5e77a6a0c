/** Response codes (RFC 1035 §4.1.1). */
export const RCODE_NO_ERROR = 0;
export const RCODE_FORMAT_ERROR = 1;
export const RCODE_SERVER_FAILURE = 2;
export const RCODE_NAME_ERROR = 3;
export const RCODE_NOT_IMPLEMENTED = 4;
export const RCODE_REFUSED = 5;

/** The Internet (RFC 1035 §3.2.4). */
export const CLASS_IN = 1;
/** A standard query (RFC 1035 §4.1.1). */
export const OPCODE_QUERY = 0;

/** Bits of the second word of the header (RFC 1035 §4.1.1, RFC 4035 §3.2.2). */
export const FLAG_RESPONSE = 0x8000;
export const OPCODE_MASK = 0x7800;
export const FLAG_AUTHORITATIVE = 0x0400;
export const FLAG_TRUNCATED = 0x0200;
export const FLAG_RECURSION_DESIRED = 0x0100;
export const FLAG_RECURSION_AVAILABLE = 0x0080;
export const FLAG_CHECKING_DISABLED = 0x0010;
export const RCODE_MASK = 0x000f;
/** The DO bit among the flags of an OPT record (RFC 6891 §6.1.4). */
export const FLAG_DNSSEC_OK = 0x8000;

export const HEADER_BYTES = 12;
/** Type and class after the name of a question. */
export const QUESTION_TAIL_BYTES = 4;
/** Longest query that is looked at: a name, an OPT record with its options, and much room. */
export const MAX_QUERY_BYTES = 4096;
/** Longest message over TCP, whose length is 16 bits. */
export const MAX_MESSAGE_BYTES = 65_535;
/** What a client without EDNS takes over UDP, and the least that EDNS may offer (RFC 6891 §6.2.3). */
export const MIN_UDP_PAYLOAD = 512;
