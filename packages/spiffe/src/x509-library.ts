import type * as x509 from '@peculiar/x509';

/** The module that {@link loadX509} loads. */
export type X509Library = typeof x509;

/**
 * Loads the library that writes certificates, on first use: it takes 90 ms and 24 MB, and patches the global `Reflect`,
 * none of which a data thread that only verifies peers should pay.
 */
export async function loadX509(): Promise<X509Library> {
  // tsyringe, inside of @peculiar/x509, throws at import time without the metadata polyfill.
  await import('reflect-metadata');
  return import('@peculiar/x509');
}
