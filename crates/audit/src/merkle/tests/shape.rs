//! Growing, storing, cutting into tiles, and the edges of what a tree can be.

use std::collections::HashMap;
use std::convert::Infallible;

use proptest::prelude::*;

use super::super::tiles::{self, Tile, TileSource, Tiled};
use super::super::*;
use super::leaves;

/// Tiles as a store has them that writes what `grown` names.
#[derive(Default)]
struct Shelf(HashMap<(u8, u64), Vec<Hash>>);

impl TileSource for Shelf {
    type Error = Infallible;

    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<Hash>>, Infallible> {
        Ok(self.0.get(&(level, index)).cloned())
    }
}

impl Shelf {
    fn grow(&mut self, leaves: &[Hash], old: u64, size: u64) {
        for tile in tiles::grown(old, size).unwrap() {
            let hash = |place| Leaves(leaves).subtree(place).unwrap().unwrap();
            self.0.insert((tile.level, tile.index), tile.subtrees().map(hash).collect());
        }
    }
}

#[test]
fn a_frontier_survives_storage_and_damage_is_noticed() {
    let leaves = leaves(77);
    let mut frontier = Frontier::new();
    for leaf in &leaves {
        frontier.append(*leaf).unwrap();
        let bytes = frontier.to_bytes();
        assert_eq!(Frontier::from_bytes(&bytes).unwrap(), frontier);
        assert_eq!(Frontier::load(&Leaves(&leaves), frontier.size()).unwrap(), frontier);
        for damaged in [&bytes[1..], &bytes[..bytes.len() - 1], &[bytes.clone(), vec![0; 32]].concat()] {
            assert_eq!(Frontier::from_bytes(damaged), Err(MerkleError::Frontier));
        }
    }
    assert_eq!(Frontier::from_bytes(&[]), Err(MerkleError::Frontier));
    assert_eq!(Frontier::from_bytes(&[255; 8 + 32 * 64]), Err(MerkleError::Frontier));
}

#[test]
fn a_full_tree_takes_no_more_leaves_and_stays_as_it_is() {
    let mut full = Frontier::from_parts(MAX_SIZE, vec![[7; 32]]).unwrap();
    let before = full.clone();
    assert_eq!(full.append([1; 32]), Err(MerkleError::TooLarge));
    assert_eq!(full.append_subtree(63, [1; 32]), Err(MerkleError::TooLarge));
    assert_eq!(full.append_subtree(255, [1; 32]), Err(MerkleError::TooLarge));
    assert_eq!(full, before);
    assert_eq!(Frontier::from_parts(MAX_SIZE + 1, vec![[7; 32]; 2]), Err(MerkleError::TooLarge));
}

#[test]
fn a_subtree_cannot_stand_where_none_of_its_height_begins() {
    let mut tree = Frontier::from_parts(6, vec![[1; 32], [2; 32]]).unwrap();
    assert_eq!(tree.append_subtree(2, [3; 32]), Err(MerkleError::OutOfRange));
    assert_eq!(tree.append_subtree(1, [3; 32]), Ok(()));
    assert_eq!(tree.size(), 8);
}

/// A source that has every hash, so that the shape of proofs in huge trees can be seen.
struct Everything;

impl HashSource for Everything {
    type Error = Infallible;

    fn subtree(&self, subtree: Subtree) -> Result<Option<Hash>, Infallible> {
        Ok(Some(leaf_hash(format!("{subtree:?}").as_bytes())))
    }
}

#[test]
fn the_largest_trees_neither_overflow_nor_loop() {
    for size in [MAX_SIZE, MAX_SIZE - 1, MAX_SIZE / 2 + 1] {
        for at in [0, 1, size / 2, size - 1] {
            let proof = inclusion_proof(&Everything, at, size).unwrap();
            assert!(proof.len() <= 63);
            assert_eq!(
                verify_inclusion(&[0; 32], at, size, &proof, &[0; 32]),
                Err(MerkleError::RootMismatch)
            );
            let proof = consistency_proof(&Everything, at, size).unwrap();
            assert!(verify_consistency(at, size, &proof, &[0; 32], &[0; 32]).is_err());
            let around = range_proof(&Everything, at, at + 1, size).unwrap();
            assert!(root_of_range(&around.left, &[[0; 32]], at, &around.right, size).is_ok());
        }
        assert!(tiles::grown(size - 1, size).unwrap().count() <= 8);
    }
    for size in [MAX_SIZE + 1, u64::MAX] {
        assert!(inclusion_proof(&Everything, size - 1, size).is_err());
        assert!(consistency_proof(&Everything, 1, size).is_err());
        assert!(range_proof(&Everything, 0, 1, size).is_err());
        assert_eq!(verify_inclusion(&[0; 32], 0, size, &[], &[0; 32]), Err(MerkleError::TooLarge));
        assert_eq!(verify_consistency(size, size, &[], &[0; 32], &[0; 32]), Err(MerkleError::TooLarge));
        assert_eq!(root_of_range(&[], &[[0; 32]], 0, &[], size), Err(MerkleError::TooLarge));
        assert!(tiles::grown(0, size).is_err());
    }
    assert_eq!(root_of_range(&[], &[[0; 32]], u64::MAX, &[], 5), Err(MerkleError::OutOfRange));
}

#[test]
fn what_is_not_in_the_tree_is_not_proved() {
    let leaves = leaves(5);
    let source = Leaves(&leaves);
    let refused = ProofError::Impossible(MerkleError::OutOfRange);
    assert_eq!(inclusion_proof(&source, 5, 5), Err(refused));
    assert_eq!(inclusion_proof(&source, 0, 0), Err(refused));
    assert_eq!(consistency_proof(&source, 6, 5), Err(refused));
    assert_eq!(range_proof(&source, 3, 2, 5), Err(refused));
    assert_eq!(range_proof(&source, 3, 6, 5), Err(refused));
    assert_eq!(
        inclusion_proof(&source, 0, 6),
        Err(ProofError::Missing(Subtree { level: 1, index: 2 })),
        "the source is shorter than the tree that it is asked about"
    );
}

#[test]
fn a_tree_of_70_000_leaves_has_the_tiles_of_the_specification() {
    let tiles: Vec<Tile> = tiles::grown(0, 70_000).unwrap().collect();
    let count = |level, full: bool| {
        tiles.iter().filter(|tile| tile.level == level && (tile.width == 256) == full).count()
    };
    assert_eq!((count(0, true), count(0, false)), (273, 1));
    assert_eq!((count(1, true), count(1, false)), (1, 1));
    assert_eq!((count(2, true), count(2, false)), (0, 1));
    let partial: Vec<u16> = tiles.iter().filter(|tile| tile.width < 256).map(|tile| tile.width).collect();
    assert_eq!(partial, [112, 17, 1]);
    let tiles: Vec<Tile> = tiles::grown(0, 256).unwrap().collect();
    assert_eq!(tiles, [Tile { level: 0, index: 0, width: 256 }, Tile { level: 1, index: 0, width: 1 }]);
}

#[test]
fn tiles_have_the_names_of_the_specification() {
    assert_eq!(Tile { level: 0, index: 1_234_067, width: 256 }.path(), "tile/0/x001/x234/067");
    assert_eq!(Tile { level: 3, index: 7, width: 5 }.path(), "tile/3/007.p/5");
    assert_eq!(Tile { level: 0, index: 1_000, width: 256 }.path(), "tile/0/x001/000");
}

#[test]
fn what_a_growing_frontier_tells_is_what_tiles_keep() {
    let leaves = leaves(70_000);
    let mut frontier = Frontier::new();
    let mut shelf = Shelf::default();
    for leaf in &leaves {
        let keep = |subtree, hash| {
            if let Some((level, index, at)) = tiles::place(subtree) {
                let tile = shelf.0.entry((level, index)).or_default();
                assert_eq!(tile.len(), usize::from(at), "hashes come in order");
                tile.push(hash);
            }
        };
        frontier.append_noting(*leaf, keep).unwrap();
    }
    let mut expected = Shelf::default();
    expected.grow(&leaves, 0, 70_000);
    assert_eq!(shelf.0, expected.0);
    assert_eq!(root(&Tiled(shelf), 70_000), Ok(frontier.root()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_in_tiles_proves_the_same_as_the_tree_in_memory(
        (size, old, index) in (1_u64..1500).prop_flat_map(|size| (Just(size), 0..=size, 0..size)),
    ) {
        let leaves = leaves(size);
        let mut shelf = Shelf::default();
        shelf.grow(&leaves, 0, old);
        shelf.grow(&leaves, old, size);
        let (tiled, memory) = (Tiled(shelf), Leaves(&leaves));
        prop_assert_eq!(root(&tiled, size), root(&memory, size));
        prop_assert_eq!(inclusion_proof(&tiled, index, size), inclusion_proof(&memory, index, size));
        prop_assert_eq!(consistency_proof(&tiled, old, size), consistency_proof(&memory, old, size));
        prop_assert_eq!(range_proof(&tiled, index, size, size), range_proof(&memory, index, size, size));
    }

    #[test]
    fn subtrees_cover_their_range_without_gaps_and_no_two_neighbours_are_siblings(
        from in 0_u64..=MAX_SIZE, length in prop_oneof![0_u64..2000, any::<u64>()],
    ) {
        let to = from.saturating_add(length).min(MAX_SIZE);
        let found = subtrees(from, to).unwrap();
        let mut at = from;
        for subtree in &found {
            prop_assert_eq!(subtree.index << subtree.level, at);
            at += 1 << subtree.level;
        }
        prop_assert_eq!(at, to);
        for pair in found.windows(2) {
            let siblings = pair[0].level == pair[1].level && pair[0].index % 2 == 0;
            prop_assert!(!siblings, "two siblings would be one subtree");
        }
    }

    #[test]
    fn verifying_nonsense_never_panics(
        numbers in any::<[u64; 2]>(),
        hashes in proptest::collection::vec(any::<[u8; 32]>(), 0..70),
        more in proptest::collection::vec(any::<[u8; 32]>(), 0..5),
    ) {
        let [a, b] = numbers;
        let _ = verify_inclusion(&[0; 32], a, b, &hashes, &[0; 32]);
        let _ = verify_consistency(a, b, &hashes, &[0; 32], &[0; 32]);
        let _ = root_of_range(&more, &hashes, a, &more, b);
        let _ = root_of_range(&hashes, &more, a >> 32, &hashes, b >> 32);
        let _ = Frontier::from_bytes(hashes.as_flattened());
    }
}
