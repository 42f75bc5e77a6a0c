/** What the front asks: to certify the key of `csrPem`; one JSON object a line. The first line is `listening`. */
export type FrontMessage =
  | { readonly listening: true }
  | { readonly id: number; readonly csrPem: string; readonly wanted: string; readonly validitySeconds: number };

/** What it is told: PEM texts as `CreateCertificate` answers them, or why not. */
export type FrontAnswer =
  | { readonly id: number; readonly chain: readonly string[] }
  | { readonly id: number; readonly refusal: string };

/** How to serve, as the front's only argument. */
export interface FrontConfig {
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly certPem: string; readonly keyPem: string };
}
