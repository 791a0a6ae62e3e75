/**
 * What a remote has of a map of tuples, as far as can be known.
 *
 * @since 0.1.0
 */

/**
 * What a remote is known to have: everything up to the sequence number `synced`, and what it said itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface Known {
  readonly link: number
  readonly synced: number
}

/**
 * Whether a remote is known to have an entry, as nobody else has said it since.
 *
 * @since 0.1.0
 * @category reading
 */
export const isKnown = (
  entry: { readonly sequence: number; readonly link: number },
  { link, synced }: Known
): boolean => entry.sequence <= synced || entry.link === link
