/** The tags of DER that X.509 uses. ITU-T X.690 8.1.2, RFC 5280 appendix A. */
export const DerTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** `[0] EXPLICIT` or constructed. */
  context0: 0xa0,
  /** `[3] EXPLICIT` or constructed. */
  context3: 0xa3,
} as const;
