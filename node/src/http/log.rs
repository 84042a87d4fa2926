//! The log as static resources (C2SP tlog-tiles): checkpoint, tiles, entry bundles, and the notes that we have seen.

use crate::Node;
use crate::problem::{Code, Outcome, Problem};
use crate::store::OWN;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use hefu_federation::tile::{TilePath, bundle_prefix};

/// Routes below the origin.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/checkpoint").route(web::get().to(checkpoint)).route(web::head().to(checkpoint)))
        .service(web::resource("/{path:tile/.*}").route(web::get().to(tile)).route(web::head().to(tile)))
        .service(web::resource("/v1/seen/{origin}").route(web::get().to(seen)).route(web::head().to(seen)));
}

/// The last published signed note.
async fn checkpoint(node: web::Data<Node>) -> Outcome<HttpResponse> {
    let note =
        node.store.head(OWN).await?.note.ok_or_else(|| Problem::new(Code::Unavailable, "nothing is signed yet"))?;
    Ok(text(note, "max-age=1"))
}

/// Tiles and bundles never change: as wide as asked, if published.
async fn tile(node: web::Data<Node>, path: web::Path<String>) -> Outcome<HttpResponse> {
    let missing = || Problem::new(Code::NotFound, "no such tile");
    let path = TilePath::parse(&path).map_err(|_| missing())?;
    let body = match path {
        TilePath::Hashes { level, index, width } => {
            let stored = node.store.tile(OWN, level, index).await?.ok_or_else(missing)?;
            stored.get(..usize::from(width) * 32).ok_or_else(missing)?.to_vec()
        }
        TilePath::Entries { index, width } => {
            let (stored_width, bytes) = node.store.bundle(OWN, index).await?.ok_or_else(missing)?;
            if width > stored_width {
                return Err(missing());
            }
            bundle_prefix(&bytes, width).map_err(|_| Problem::new(Code::Damaged, "entry bundle"))?.to_vec()
        }
    };
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"));
    Ok(response.content_type("application/octet-stream").body(body))
}

/// The largest valid note that we have seen of an origin, by hex SHA-256 of it.
async fn seen(node: web::Data<Node>, origin: web::Path<String>) -> Outcome<HttpResponse> {
    let well_formed = origin.len() == 64 && origin.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let note = if well_formed { node.store.seen_note(&origin).await? } else { None };
    Ok(text(note.ok_or_else(|| Problem::new(Code::NotFound, "no note seen of that origin"))?, "no-store"))
}

fn text(body: Vec<u8>, cache: &'static str) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, cache)).content_type("text/plain; charset=utf-8").body(body)
}
