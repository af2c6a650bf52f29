//! Everything that is proved agrees with `ct-merkle`, an implementation that shares nothing with this one.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof};
use proptest::prelude::*;
use sha2::Sha256;

use super::super::*;

fn oracle(entries: &[Vec<u8>]) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    entries.iter().for_each(|entry| tree.push(entry.clone()));
    tree
}

fn entries(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|at| format!("entry {at}").into_bytes()).collect()
}

/// A size, and a smaller number.
fn size_and_place() -> impl Strategy<Value = (u64, u64)> {
    prop_oneof![1_u64..40, 250_u64..264, 1_u64..700].prop_flat_map(|size| (Just(size), 0..size))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn roots_are_equal(size in 0_u64..700) {
        let theirs = oracle(&entries(size)).root();
        let leaves = super::leaves(size);
        let ours = root(&Leaves(&leaves), size).unwrap();
        prop_assert_eq!(theirs.as_bytes().as_slice(), ours.as_slice());
    }

    #[test]
    fn inclusion_proofs_are_equal_and_each_side_accepts_the_others((size, index) in size_and_place()) {
        let theirs = oracle(&entries(size));
        let leaves = super::leaves(size);
        let ours = inclusion_proof(&Leaves(&leaves), index, size).unwrap();
        let proof = theirs.prove_inclusion(index as usize);
        prop_assert_eq!(proof.as_bytes(), ours.as_flattened());
        let again = InclusionProof::<Sha256>::from_bytes(ours.as_flattened().to_vec());
        prop_assert!(theirs.root().verify_inclusion(&entries(size)[index as usize], index, &again).is_ok());
        let root = root(&Leaves(&leaves), size).unwrap();
        prop_assert_eq!(verify_inclusion(&leaves[index as usize], index, size, &ours, &root), Ok(()));
    }

    #[test]
    fn consistency_proofs_are_equal_and_each_side_accepts_the_others((size, place) in size_and_place()) {
        let old = place + 1;
        let leaves = super::leaves(size);
        let ours = consistency_proof(&Leaves(&leaves), old, size).unwrap();
        let theirs = oracle(&entries(size));
        // Between equal sizes the other one wants nothing to do with a proof.
        if old < size {
            let proof = theirs.prove_consistency((size - old) as usize);
            prop_assert_eq!(proof.as_bytes(), ours.as_flattened());
            let before = oracle(&entries(old)).root();
            let again = ConsistencyProof::<Sha256>::try_from_bytes(ours.as_flattened().to_vec()).unwrap();
            prop_assert!(theirs.root().verify_consistency(&before, &again).is_ok());
        }
        let roots = [old, size].map(|size| root(&Leaves(&leaves), size).unwrap());
        prop_assert_eq!(verify_consistency(old, size, &ours, &roots[0], &roots[1]), Ok(()));
    }
}
