/** What nft reads as a name without quotes. */
const PLAIN = /^[A-Za-z_.][A-Za-z0-9_.-]*$/;

/** A checked interface name in the words of nft: plain where possible, `tap+` as the pattern `"tap*"`. */
export function nftInterface(name: string): string {
  if (name.endsWith('+')) return `"${name.slice(0, -1)}*"`;
  return PLAIN.test(name) ? name : `"${name}"`;
}
