/** Characters that an HTTP URI may consist of (RFC 3986 §2). */
const uriCharacters = /^[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%]*$/;
const authority = /^(?:\[[0-9A-Fa-f:.]+\]|[^:@[\]/?#]+)(?::(\d{1,5}))?$/;
const maxPort = 65_535;

/**
 * The address of a gRPC server with a scheme put in front where there is none. Returns `{ problem }`, in the words of the
 * reference, if it is not an address.
 */
export function parseEndpointUri(text: string): { readonly uri: string } | { readonly problem: string } {
  if (!uriCharacters.test(text)) return { problem: 'invalid uri character' };
  const uri = text.includes('://') ? text : `https://${text}`;
  const [, scheme, rest] = /^([a-z]+):\/\/([^/?#]*)/.exec(uri) ?? [];
  if (scheme !== 'https' && scheme !== 'http') return { problem: 'invalid scheme' };
  const match = authority.exec(rest ?? '');
  if (match === null || Number(match[1] ?? 0) > maxPort) return { problem: 'invalid authority' };
  return { uri };
}
