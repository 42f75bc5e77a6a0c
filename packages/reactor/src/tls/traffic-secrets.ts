const SPACE = 0x20;
/** The names in the log of keys of what protects application data; the end that writes with it first. */
const LABELS = { client: 'CLIENT_TRAFFIC_SECRET_0', server: 'SERVER_TRAFFIC_SECRET_0' } as const;

/** The secrets that application data is protected with, as OpenSSL tells them in the course of a handshake. */
export class TrafficSecrets {
  client: Uint8Array | undefined;
  server: Uint8Array | undefined;

  /** Takes a line `LABEL <client random> <secret>` of the format of NSS (SSLKEYLOGFILE); other secrets are not kept. */
  take(line: Uint8Array): void {
    const label = line.indexOf(SPACE);
    const name = String.fromCharCode(...line.subarray(0, Math.max(0, label)));
    const secret = line.subarray(line.lastIndexOf(SPACE) + 1);
    if (name === LABELS.client) this.client = fromHexadecimal(secret);
    else if (name === LABELS.server) this.server = fromHexadecimal(secret);
  }

  /** Forgets what nobody has taken over. */
  wipe(): void {
    this.client?.fill(0);
    this.server?.fill(0);
    this.client = this.server = undefined;
  }
}

/** Not by way of a string, which could not be wiped. */
function fromHexadecimal(digits: Uint8Array): Uint8Array {
  return Uint8Array.from(
    { length: digits.length >> 1 },
    (_, index) => (digitValue(digits[2 * index]!) << 4) | digitValue(digits[2 * index + 1]!),
  );
}

function digitValue(digit: number): number {
  return digit <= 0x39 ? digit - 0x30 : (digit | 0x20) - 0x57;
}
