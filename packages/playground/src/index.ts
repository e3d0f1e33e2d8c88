/**
 * The pages of `penguiflow dev`: files to serve, built from this package's sources.
 *
 * @packageDocumentation
 */

/**
 * Folder of the built pages, as a URL that ends in `/`. Serve `index.html` for every path that is no file and not
 * below `/api`; files in `assets` carry a hash of their content in their names and never change.
 */
export const pageFolder: URL = new URL("../dist/page/", import.meta.url);
