use super::{checks, letters};

/// Numbers from the issuers' own descriptions, and the same with one digit changed.
#[test]
fn the_published_examples_fit_and_a_changed_digit_does_not() {
    let cases: [(letters::Check, &str, &str); 15] = [
        (checks::us_ssn, "536901234", "666901234"),
        (checks::nl_bsn, "111222333", "111222334"),
        (checks::gb_nhs, "9434765919", "9434765918"),
        (checks::de_steuer_id, "86095742719", "86095742718"),
        (checks::fr_nir, "255081416802538", "255081416802539"),
        (checks::se_pnr, "8112189876", "8112189875"),
        (checks::pl_pesel, "44051401359", "44051401358"),
        (checks::be_nrn, "85073003328", "85073003327"),
        (checks::ch_ahv, "7569217076985", "7569217076984"),
        (checks::in_aadhaar, "234123412346", "234123412347"),
        (checks::br_cpf, "52998224725", "52998224724"),
        (checks::au_tfn, "123456782", "123456783"),
        (checks::ca_sin, "130692544", "130692545"),
        (checks::za_id, "8001015009087", "8001015009086"),
        (checks::cn_id, "11010519491231002X", "110105194912310021"),
    ];
    for (valid, right, wrong) in cases {
        assert!(valid(right), "{right}");
        assert!(!valid(wrong), "{wrong}");
    }
}

#[test]
fn numbers_with_letters_fit_their_check_letter() {
    let text = |value: &str| letters::CHECKS.iter().filter(|(_, valid)| valid(value)).count();
    for right in
        ["12345678Z", "X1234567L", "RSSMRA85T10A562S", "131052-308T", "S1234567D", "11010519491231002X"]
    {
        assert_eq!(text(right), 1, "{right}");
    }
    for wrong in
        ["12345678A", "X1234567A", "RSSMRA85T10A562T", "131052-308U", "S1234567E", "110105194912310021"]
    {
        assert_eq!(text(wrong), 0, "{wrong}");
    }
    assert!(letters::gb_nino("AB123456C"));
    assert!(!letters::gb_nino("DB123456C"));
    assert!(!letters::gb_nino("AB123456E"));
}
