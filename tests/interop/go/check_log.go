// Checks a node's log over HTTPS with Go's own transparency log packages, golang.org/x/mod/sumdb/{note,tlog}: signature of
// the checkpoint, every entry, every tile, consistency with an older checkpoint, inclusion of random entries; and that each
// check refuses what was changed.
//
// usage: check_log URL CA FINGERPRINT OLD-CHECKPOINT
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	inclusions = 64
	maxAnswer  = 1 << 20
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 5 {
		log.Fatal("usage: check_log URL CA FINGERPRINT OLD-CHECKPOINT")
	}
	node := connect(os.Args[1], os.Args[2])
	oldNote, err := os.ReadFile(os.Args[4])
	must(err)

	verifier := node.logKey(os.Args[3])
	newNote := node.get("checkpoint")
	tree := open(newNote, verifier)
	old := open(oldNote, verifier)
	refuse("a changed note", func() error { return tryOpen(tampered(newNote), verifier) })

	hashes := node.entries(tree)
	tiles := node.tiles(tree, hashes)
	proven := node.inclusions(tree)
	node.consistency(tree, old)
	fmt.Printf("x/mod/sumdb: %s: checkpoints of sizes %d and %d, %d entries, %d tiles, %d inclusions, 1 consistency; 4 forgeries refused\n",
		node.origin, old.N, tree.N, tree.N, tiles, proven)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func require(holds bool, format string, arguments ...any) {
	if !holds {
		log.Fatalf(format, arguments...)
	}
}

// refuse fails unless the check fails.
func refuse(what string, check func() error) {
	require(check() != nil, "%s is not refused", what)
}

// tampered flips a bit in the middle.
func tampered(data []byte) []byte {
	changed := append([]byte(nil), data...)
	changed[len(changed)/2] ^= 1
	return changed
}

type node struct {
	url, origin string
	client      *http.Client
}

func connect(url, ca string) *node {
	pem, err := os.ReadFile(ca)
	must(err)
	roots := x509.NewCertPool()
	require(roots.AppendCertsFromPEM(pem), "no certificate in %s", ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	return &node{url, strings.TrimPrefix(url, "https://"), &http.Client{Transport: transport}}
}

func (n *node) get(path string) []byte {
	answer, err := n.client.Get(n.url + "/" + path)
	must(err)
	defer answer.Body.Close()
	require(answer.StatusCode == http.StatusOK, "%s: %s", path, answer.Status)
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	must(err)
	return body
}

// logKey takes the log's key from its first entry, whose leaf hash is the fingerprint that people compare.
func (n *node) logKey(fingerprint string) note.Verifier {
	width := ""
	if size := n.statedSize(); size < tileWidth {
		width = fmt.Sprintf(".p/%d", size)
	}
	first := split(n.get("tile/entries/000" + width))[0]
	hash := tlog.RecordHash(first)
	require(hex.EncodeToString(hash[:]) == fingerprint, "the first entry is not the one of the fingerprint")
	var genesis struct{ Keys struct{ Log string } }
	must(json.Unmarshal(first, &genesis))
	key := base58(genesis.Keys.Log)
	require(bytes.HasPrefix(key, []byte{0xed, 0x01}) && len(key) == 34, "the log key is no Multikey of Ed25519")
	encoded, err := note.NewEd25519VerifierKey(n.origin, key[2:])
	must(err)
	verifier, err := note.NewVerifier(encoded)
	must(err)
	return verifier
}

// statedSize is the size in the checkpoint, not verified yet.
func (n *node) statedSize() int64 {
	lines := strings.Split(string(n.get("checkpoint")), "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	return size
}

// base58 decodes a multibase text that begins with z.
func base58(text string) []byte {
	const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	require(strings.HasPrefix(text, "z"), "no base58btc")
	number := new(big.Int)
	for _, character := range text[1:] {
		digit := strings.IndexRune(alphabet, character)
		require(digit >= 0, "no base58btc")
		number.Mul(number, big.NewInt(58)).Add(number, big.NewInt(int64(digit)))
	}
	return number.Bytes()
}

func tryOpen(signed []byte, verifier note.Verifier) error {
	_, err := note.Open(signed, note.VerifierList(verifier))
	return err
}

// open verifies a checkpoint. tlog.ParseTree fixes another first line, so the three lines are read here.
func open(signed []byte, verifier note.Verifier) tlog.Tree {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	require(len(lines) >= 4 && lines[0] == verifier.Name(), "the checkpoint is another log's")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	must(err)
	tree := tlog.Tree{N: size}
	require(copy(tree.Hash[:], root) == tlog.HashSize && len(root) == tlog.HashSize, "no root hash")
	return tree
}

// split cuts a bundle into its entries: each two bytes of length, big-endian, and the entry.
func split(bundle []byte) [][]byte {
	var entries [][]byte
	for len(bundle) > 0 {
		require(len(bundle) >= 2, "a bundle ends in a length")
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		require(end <= len(bundle), "a bundle ends in an entry")
		entries = append(entries, bundle[2:end])
		bundle = bundle[end:]
	}
	return entries
}

// stored is what tlog's own algorithm stores: every hash of every complete subtree.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for position, index := range indexes {
		found[position] = s[index]
	}
	return found, nil
}

// entries reads all bundles and builds the tree from them: its root must be the one that was signed.
func (n *node) entries(tree tlog.Tree) stored {
	var hashes stored
	for start := int64(0); start < tree.N; start += tileWidth {
		width := min(tileWidth, tree.N-start)
		entries := split(n.get(path("entries", start/tileWidth, width)))
		require(int64(len(entries)) == width, "bundle %d has %d entries, not %d", start/tileWidth, len(entries), width)
		for offset, entry := range entries {
			more, err := tlog.StoredHashes(start+int64(offset), entry, hashes)
			must(err)
			hashes = append(hashes, more...)
		}
	}
	root, err := tlog.TreeHash(tree.N, hashes)
	must(err)
	require(root == tree.Hash, "the entries do not give the root that was signed")
	return hashes
}

// tiles compares every tile as served with the one that tlog makes of the entries.
func (n *node) tiles(tree tlog.Tree, hashes stored) int {
	tiles := tlog.NewTiles(tileHeight, 0, tree.N)
	for _, tile := range tiles {
		ours := n.get(path(strconv.Itoa(tile.L), tile.N, int64(tile.W)))
		theirs, err := tlog.ReadTileData(tile, hashes)
		must(err)
		require(bytes.Equal(ours, theirs), "%s is another tile", tile.Path())
	}
	return len(tiles)
}

// inclusions proves random entries through tlog's reader of tiles, which verifies the tiles against the tree.
func (n *node) inclusions(tree tlog.Tree) int {
	reader := tlog.TileHashReader(tree, n)
	for count := 0; count < inclusions; count++ {
		index := rand.Int63n(tree.N)
		proof, err := tlog.ProveRecord(tree.N, index, reader)
		must(err)
		start := index / tileWidth * tileWidth
		bundle := n.get(path("entries", start/tileWidth, min(tileWidth, tree.N-start)))
		entry := split(bundle)[index-start]
		must(tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)))
		if count == 0 {
			refuse("a changed entry", func() error {
				return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(tampered(entry)))
			})
		}
	}
	refuse("a changed tile", func() error {
		_, err := tlog.ProveRecord(tree.N, 0, tlog.TileHashReader(tree, liar{n}))
		return err
	})
	return inclusions
}

// consistency proves that the log at its older size begins the log as it is now.
func (n *node) consistency(tree, old tlog.Tree) {
	require(0 < old.N && old.N < tree.N, "the log has not grown between %d and %d", old.N, tree.N)
	proof, err := tlog.ProveTree(tree.N, old.N, tlog.TileHashReader(tree, n))
	must(err)
	must(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
	refuse("another old root", func() error {
		other := old.Hash
		other[0] ^= 1
		return tlog.CheckTree(proof, tree.N, tree.Hash, old.N, other)
	})
}

// Height, ReadTiles and SaveTiles make a node a tlog.TileReader.
func (n *node) Height() int { return tileHeight }

func (n *node) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for position, tile := range tiles {
		data[position] = n.get(path(strconv.Itoa(tile.L), tile.N, int64(tile.W)))
	}
	return data, nil
}

func (n *node) SaveTiles([]tlog.Tile, [][]byte) {}

// liar serves every tile with one bit changed.
type liar struct{ *node }

func (l liar) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data, err := l.node.ReadTiles(tiles)
	for position := range data {
		data[position] = tampered(data[position])
	}
	return data, err
}

// path is that of C2SP tlog-tiles: as tlog.Tile.Path without the height.
func path(level string, index, width int64) string {
	number := fmt.Sprintf("%03d", index%1000)
	for index >= 1000 {
		index /= 1000
		number = fmt.Sprintf("x%03d/%s", index%1000, number)
	}
	if width < tileWidth {
		number = fmt.Sprintf("%s.p/%d", number, width)
	}
	return "tile/" + level + "/" + number
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}
